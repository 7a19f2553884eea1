// Attention's arithmetic in 8-bit codes: a chunk's weights are codes below its own greatest weight.

namespace {

constexpr float kLevels = 255.0f;  // codes of weights
constexpr float kMost = 127.0f;    // of queries, keys and values, either way

// The products of a panel of queries and one tile of keys, which begins with the keys' sums.
template <int V>
ERMU_INLINE inline void multiply_codes(const Block& block, const char* tile, int wide, I (&s)[kRows][V]) {
    const int32_t* start = reinterpret_cast<const int32_t*>(tile);
    const KeyCode* k = reinterpret_cast<const KeyCode*>(start + kTile);
    const Code* q = static_cast<const Code*>(block.query);
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { s[i][j] = load(start + j * kLanes); });
    for (int c = 0; c < wide; c += kGroup, q += kRows * kGroup, k += kTile * kGroup) {
        I key[V];
        each<V>([&](auto j) ERMU_INLINE { key[j] = load_codes(k + j * kLanes * kGroup); });
        each<kRows>([&](auto i) ERMU_INLINE {
            const I x = splat_codes(q + i * kGroup);
            each<V>([&](auto j) ERMU_INLINE { s[i][j] = dot_codes(s[i][j], x, key[j]); });
        });
    }
}

// One head of a packed slot: means and steps, keys in tiles (kTile sums, then (d / g, kTile, g) codes), values in
// panels (N / g, kTile, g), with g = kGroup numbers to an instruction. Queries and weights are unsigned: a tile's
// sums take the queries' offset of 128 off again.
struct Int8 {
    static constexpr bool kBiasIsExponent = true;
    using Weight = Code;

    static int wide(const BankShape& b) { return padded(b.key_head, kGroup); }
    static int tall(const BankShape& b) { return padded(b.tokens, kGroup); }
    static size_t tile_bytes(const BankShape& b) {
        return kTile * (sizeof(int32_t) + sizeof(KeyCode) * wide(b));
    }
    static size_t query_bytes(int d) { return sizeof(Code) * kRows * padded(d, kGroup); }
    static size_t head_bytes(const BankShape& b) {
        const size_t keys = tile_bytes(b) * (padded(b.tokens, kTile) / kTile);
        return means_bytes(b) + (keys + sizeof(KeyCode) * padded(b.value_head, kTile) * tall(b) + 63) / 64 * 64;
    }
    static char* tile_at(const BankShape& b, const void* memory, int first) {
        return means_at(b, memory).codes + tile_bytes(b) * (first / kTile);
    }
    static KeyCode* values_at(const BankShape& b, const void* memory, int panel, int first) {
        KeyCode* values = reinterpret_cast<KeyCode*>(tile_at(b, memory, padded(b.tokens, kTile)));
        return values + (size_t(panel) * tall(b) + first) * kTile;
    }
    static const float* key_mean(const BankShape& b, const void* memory) { return means_at(b, memory).key; }
    static const float* value_mean(const BankShape& b, const void* memory) { return means_at(b, memory).value; }
    static float key_step(const BankShape& b, const void* memory) { return *means_at(b, memory).key_step; }

    static int coded(float x, float per_step) { return static_cast<int>(__builtin_rintf(x * per_step)); }
    static float per_step(float step) { return step > 0.0f ? 1.0f / step : 0.0f; }

    static void pack(const BankShape& b, int head, const float* key, const float* value, void* memory) {
        const Means m = means_at(b, memory);
        const float *keys = key + head * b.key_head, *values = value + head * b.value_head;
        float reach = 0.0f;
        for (int c = 0; c < b.key_head; ++c) {
            float own;
            measure(keys + c, b.tokens, b.key_width(), 1, m.key + c, &own);
            reach = own > reach ? own : reach;
        }
        *m.key_step = reach / kMost;
        measure(values, b.tokens, b.value_width(), b.value_head, m.value, m.value_step);
        for (int c = 0; c < b.value_head; ++c) m.value_step[c] /= kMost;
        put_codes_of(b, keys, values, m, memory);
    }
    static void put_codes_of(const BankShape& b, const float* keys, const float* values, const Means& m, void* memory) {
        for (int first = 0; first < b.tokens; first += kTile) put_keys(b, keys, m, first, tile_at(b, memory, first));
        for (int panel = 0; panel * kTile < b.value_head; ++panel)
            put_values(b, values, m, panel, values_at(b, memory, panel, 0));
    }
    static float key_code(const BankShape& b, const void* memory, int n, int c) {
        const char* tile = tile_at(b, memory, n / kTile * kTile) + sizeof(int32_t) * kTile;
        return reinterpret_cast<const KeyCode*>(tile)[(c / kGroup * kTile + n % kTile) * kGroup + c % kGroup];
    }
    static float value_code(const BankShape& b, const void* memory, int n, int c) {
        const KeyCode* codes = values_at(b, memory, c / kTile, 0);
        return codes[(n / kGroup * kTile + c % kTile) * kGroup + n % kGroup];
    }
    static void unpack_scale(const BankShape& b, int head, const void* memory, const SlotCodes& to) {
        const Means m = means_at(b, memory);
        copy_means(b, head, m, to);
        to.key_step[head] = *m.key_step;
        __builtin_memcpy(to.value_step + head * b.value_head, m.value_step, sizeof(float) * b.value_head);
    }
    static void repack(const BankShape& b, int head, const SlotCodes& from, void* memory) {
        const Means m = means_at(b, memory);
        put_no_means(b, m);
        put_codes_of(b, from.key + head * b.key_head, from.value + head * b.value_head, m, memory);
        put_means(b, head, from, m);
        *m.key_step = from.key_step[head];
        __builtin_memcpy(m.value_step, from.value_step + head * b.value_head, sizeof(float) * b.value_head);
    }
    static void put_keys(const BankShape& b, const float* keys, const Means& m, int first, char* tile) {
        int32_t* sums = reinterpret_cast<int32_t*>(tile);
        KeyCode* codes = reinterpret_cast<KeyCode*>(sums + kTile);
        const float scale = per_step(*m.key_step);
        for (int lane = 0; lane < kTile; ++lane) {
            const float* from = keys + size_t(least(first + lane, b.tokens - 1)) * b.key_width();
            int32_t sum = 0;
            for (int c = 0; c < wide(b); ++c) {
                const int code = c < b.key_head ? coded(from[c] - m.key[c], scale) : 0;
                codes[(c / kGroup * kTile + lane) * kGroup + c % kGroup] = static_cast<KeyCode>(code);
                sum += code;
            }
            sums[lane] = -128 * sum;
        }
    }
    static void put_values(const BankShape& b, const float* values, const Means& m, int panel, KeyCode* to) {
        const int start = panel * kTile;
        for (int c = 0; c < kTile; ++c) {
            const bool real = start + c < b.value_head;
            const float mean = real ? m.value[start + c] : 0.0f;
            const float scale = real ? per_step(m.value_step[start + c]) : 0.0f;
            for (int n = 0; n < tall(b); ++n) {
                const bool held = real && n < b.tokens;
                const int code = held ? coded(values[size_t(n) * b.value_width() + start + c] - mean, scale) : 0;
                to[(n / kGroup * kTile + c) * kGroup + n % kGroup] = static_cast<KeyCode>(code);
            }
        }
    }
    static float put_query(const float* query, int d, int row, void* panel) {
        float reach = 0.0f;
        for (int c = 0; c < d; ++c) reach = __builtin_fabsf(query[c]) > reach ? __builtin_fabsf(query[c]) : reach;
        const float scale = per_step(reach / kMost);
        Code* to = static_cast<Code*>(panel) + row * kGroup;
        for (int c = 0; c < padded(d, kGroup); ++c)
            to[c / kGroup * kRows * kGroup + c % kGroup] = static_cast<Code>(c < d ? coded(query[c], scale) + 128 : 0);
        return reach / kMost;
    }

    // The exponents of one tile, not yet below a peak, into rows kChunk apart.
    template <int V>
    ERMU_APART static void put_exponents(const Block& block, const char* tile, int wide, float* to, F* tops) {
        I s[kRows][V];
        multiply_codes(block, tile, wide, s);
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
            const F y = fma(to_float(s[i][j]), splat(block.units[i]), splat(block.biases[i]));
            tops[i] = max(tops[i], y);
            store(to + i * kChunk + j * kLanes, y);
        });
    }

    // Weighs `count` keys from `first` on; their codes are levels of the greatest weight of each row, which
    // `block.factors` holds beside the peak.
    static void weigh_chunk(const Block& block, const BankShape& b, const void* memory, int first, int count,
                            Weight* weights) {
        float exponents[kRows * kChunk];
        F tops[kRows];
        for (int i = 0; i < kRows; ++i) tops[i] = splat(-__builtin_inff());
        for (int at = 0; at < count; at += kTile) {
            const char* tile = tile_at(b, memory, first + at);
            if (count - at > kLanes) {
                put_exponents<2>(block, tile, wide(b), exponents + at, tops);
            } else {
                put_exponents<1>(block, tile, wide(b), exponents + at, tops);
            }
        }
        for (int i = 0; i < kRows; ++i) {
            const float top = highest(tops[i]);
            if (top + block.downs[i] > kSlack) raise_peak(block, i, top);
            block.factors[i] = exact_power(top + block.downs[i]) / kLevels;
            put_codes(exponents + i * kChunk, top, count, block.factors[i], block.sums + i * kLanes,
                      weights + i * kPitch);
        }
    }
    ERMU_APART static void put_codes(const float* exponents, float top, int count, float factor, float* sums, Weight* weights) {
        const F down = splat(7.99435344f * kExponentUnit - top);  // the greatest weight becomes 255
        F sum = splat(0.0f);
        for (int at = 0; at < count; at += kLanes) {
            F weight = power<3>(load(exponents + at) + down);
            if (count - at < kLanes) weight = keep_first(weight, count - at);
            sum = sum + weight;
            store_codes(reinterpret_cast<KeyCode*>(weights + at), weight);
        }
        store(sums, fma(sum, splat(factor), load(sums)));
    }

    template <int V>
    ERMU_APART static void gather(const Block& block, const Weight* weights, const KeyCode* v, int count, const float* steps,
                       float* out) {
        const int32_t none[kLanes] = {};
        I sums[kRows][V];
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { sums[i][j] = load(none); });
        for (int n = 0; n < count; n += kGroup, v += kTile * kGroup) {
            I value[V];
            each<V>([&](auto j) ERMU_INLINE { value[j] = load_codes(v + j * kLanes * kGroup); });
            each<kRows>([&](auto i) ERMU_INLINE {
                const I x = splat_codes(weights + i * kPitch + n);
                each<V>([&](auto j) ERMU_INLINE { sums[i][j] = dot_codes(sums[i][j], x, value[j]); });
            });
        }
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
            float* to = out + i * kTile + j * kLanes;
            const F step = load(steps + j * kLanes) * splat(block.factors[i]);
            store(to, fma(to_float(sums[i][j]), step, load(to)));
        });
    }
    static void gather_values(const Block& block, const BankShape& b, const void* memory, int panel, int first,
                              int count, const Weight* weights) {
        const KeyCode* v = values_at(b, memory, panel, first);
        const float* steps = means_at(b, memory).value_step + panel * kTile;
        float* out = block.out + size_t(panel) * kRows * kTile;
        if (b.value_head - panel * kTile > kLanes) {
            gather<2>(block, weights, v, count, steps, out);
        } else {
            gather<1>(block, weights, v, count, steps, out);
        }
    }
};

}  // namespace
