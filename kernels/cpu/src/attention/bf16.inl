// Attention's arithmetic in bf16: pairs of 16-bit numbers are multiplied and added in fp32 (AVX512_BF16).

namespace {

// One head of a packed slot: means, keys in tiles (d / 2, kTile, 2), values in panels (N / 2, kTile, 2).
struct Bf16 {
    using Number = uint16_t;
    static constexpr bool kBiasIsExponent = false;
    using Weight = uint16_t;
    static constexpr int kDegree = 3;

    static size_t tile_numbers(const BankShape& b) { return size_t(kTile) * padded(b.key_head, 2); }
    static size_t query_bytes(int d) { return sizeof(Number) * kRows * padded(d, 2); }
    static size_t head_bytes(const BankShape& b) {
        const size_t keys = tile_numbers(b) * (padded(b.tokens, kTile) / kTile);
        const size_t values = size_t(padded(b.value_head, kTile)) * padded(b.tokens, 2);
        return means_bytes(b) + (sizeof(Number) * (keys + values) + 63) / 64 * 64;
    }
    static const Number* keys_at(const BankShape& b, const void* memory, int first) {
        return reinterpret_cast<const Number*>(means_at(b, memory).codes) + tile_numbers(b) * (first / kTile);
    }
    static const Number* values_at(const BankShape& b, const void* memory, int panel, int first) {
        return keys_at(b, memory, padded(b.tokens, kTile)) + (size_t(panel) * padded(b.tokens, 2) + first) * kTile;
    }
    static const float* key_mean(const BankShape& b, const void* memory) { return means_at(b, memory).key; }
    static const float* value_mean(const BankShape& b, const void* memory) { return means_at(b, memory).value; }
    static float key_step(const BankShape&, const void*) { return 1.0f; }

    static Number rounded(float x) {
        uint32_t bits;
        __builtin_memcpy(&bits, &x, sizeof bits);
        return static_cast<Number>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    static void pack(const BankShape& b, int head, const float* key, const float* value, void* memory) {
        const Means m = means_at(b, memory);
        const float *keys = key + head * b.key_head, *values = value + head * b.value_head;
        measure(keys, b.tokens, b.key_width(), b.key_head, m.key, m.key_step);
        measure(values, b.tokens, b.value_width(), b.value_head, m.value, m.value_step);
        put_rounded(b, keys, values, m, memory);
    }
    static void put_rounded(const BankShape& b, const float* keys, const float* values, const Means& m, void* memory) {
        for (int first = 0; first < b.tokens; first += kTile)
            for (int lane = 0; lane < kTile; ++lane)
                put_key(b, keys + size_t(least(first + lane, b.tokens - 1)) * b.key_width(), m.key,
                        const_cast<Number*>(keys_at(b, memory, first)) + lane * 2);
        for (int panel = 0; panel * kTile < b.value_head; ++panel) {
            const int start = panel * kTile, count = least(kTile, b.value_head - start);
            for (int n = 0; n < padded(b.tokens, 2); ++n) {
                Number* to = const_cast<Number*>(values_at(b, memory, panel, n / 2 * 2)) + n % 2;
                const float* from = values + size_t(n) * b.value_width() + start;
                for (int c = 0; c < kTile; ++c)
                    to[c * 2] = n < b.tokens && c < count ? rounded(from[c] - m.value[start + c]) : Number(0);
            }
        }
    }
    static float widened(Number code) {
        const uint32_t bits = uint32_t(code) << 16;
        float x;
        __builtin_memcpy(&x, &bits, sizeof x);
        return x;
    }
    static float key_code(const BankShape& b, const void* memory, int n, int c) {
        return widened(keys_at(b, memory, n / kTile * kTile)[(c / 2 * kTile + n % kTile) * 2 + c % 2]);
    }
    static float value_code(const BankShape& b, const void* memory, int n, int c) {
        return widened(values_at(b, memory, c / kTile, n / 2 * 2)[c % kTile * 2 + n % 2]);
    }
    static void unpack_scale(const BankShape& b, int head, const void* memory, const SlotCodes& to) {
        copy_means(b, head, means_at(b, memory), to);
    }
    static void repack(const BankShape& b, int head, const SlotCodes& from, void* memory) {
        const Means m = means_at(b, memory);
        put_no_means(b, m);
        put_rounded(b, from.key + head * b.key_head, from.value + head * b.value_head, m, memory);
        put_means(b, head, from, m);
    }
    static void put_key(const BankShape& b, const float* key, const float* mean, Number* column) {
        for (int c = 0; c < padded(b.key_head, 2); ++c)
            column[c / 2 * kTile * 2 + c % 2] = c < b.key_head ? rounded(key[c] - mean[c]) : Number(0);
    }
    static float put_query(const float* query, int d, int row, void* panel) {
        Number* to = static_cast<Number*>(panel) + row * 2;
        for (int c = 0; c < padded(d, 2); ++c) to[c / 2 * kRows * 2 + c % 2] = c < d ? rounded(query[c]) : Number(0);
        return 1.0f;
    }

    ERMU_INLINE static __m512bh load_pairs(const Number* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
    ERMU_INLINE static __m512bh splat_pair(const Number* p) {
        int32_t both;
        __builtin_memcpy(&both, p, sizeof both);
        return reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
    }
    // In assembly, because GCC 12 copies and spills every sum of a loop over the intrinsic.
    ERMU_INLINE static F dot_pairs(F sum, __m512bh a, __m512bh b) {
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum.v) : "v"(a), "v"(b));
        return sum;
    }

    template <int V>
    ERMU_INLINE static void multiply(const Block& block, const Number* k, int d, F (&s)[kRows][V]) {
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { s[i][j] = splat(block.biases[i]); });
        const Number* q = static_cast<const Number*>(block.query);
        for (int c = 0; c < d; c += 2, q += kRows * 2, k += kTile * 2) {
            __m512bh key[V];
            each<V>([&](auto j) ERMU_INLINE { key[j] = load_pairs(k + j * kLanes * 2); });
            each<kRows>([&](auto i) ERMU_INLINE {
                const __m512bh x = splat_pair(q + i * 2);
                each<V>([&](auto j) ERMU_INLINE { s[i][j] = dot_pairs(s[i][j], x, key[j]); });
            });
        }
    }
    ERMU_INLINE static void put_weights(Number* to, const F (&weights)[2]) {
        _mm512_storeu_si512(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(weights[1].v, weights[0].v)));
    }
    ERMU_INLINE static void put_weights(Number* to, const F (&weights)[1]) {
        const F both[2] = {weights[0], splat(0.0f)};
        put_weights(to, both);
    }
    template <int V>
    ERMU_INLINE static void add_values(const Number* weights, const Number* v, int count, F (&sums)[kRows][V]) {
        for (int n = 0; n < count; n += 2, v += kTile * 2) {
            __m512bh value[V];
            each<V>([&](auto j) ERMU_INLINE { value[j] = load_pairs(v + j * kLanes * 2); });
            each<kRows>([&](auto i) ERMU_INLINE {
                const __m512bh x = splat_pair(weights + i * kPitch + n);
                each<V>([&](auto j) ERMU_INLINE { sums[i][j] = dot_pairs(sums[i][j], x, value[j]); });
            });
        }
    }
};

}  // namespace
