// Attention's arithmetic in fp32.

namespace {

// Adds the products of a panel of queries and V vectors of keys, whose channels lie `pitch` apart.
template <int V>
ERMU_INLINE inline void add_fp32_products(const float* q, const float* k, int pitch, int d, F (&s)[kRows][V]) {
    for (int c = 0; c < d; ++c, q += kRows, k += pitch) {
        F key[V];
        each<V>([&](auto j) ERMU_INLINE { key[j] = load(k + j * kLanes); });
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { s[i][j] = fma(splat(q[i]), key[j], s[i][j]); });
    }
}

// Adds the values of `count` keys by the weights of kRows queries, which lie Pitch apart.
template <int Pitch, int V>
ERMU_INLINE inline void add_fp32_values(const float* weights, const float* v, int count, F (&sums)[kRows][V]) {
    for (int n = 0; n < count; ++n, v += kTile) {
        F value[V];
        each<V>([&](auto j) ERMU_INLINE { value[j] = load(v + j * kLanes); });
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
            sums[i][j] = fma(splat(weights[i * Pitch + n]), value[j], sums[i][j]);
        });
    }
}

// One head of a packed slot: keys in tiles (d, kTile), then values in panels (N, kTile).
struct Fp32 {
    using Number = float;
    static constexpr bool kBiasIsExponent = false;
    using Weight = float;
    static constexpr int kDegree = 4;

    static size_t tile_numbers(const BankShape& b) { return size_t(kTile) * b.key_head; }
    static size_t query_bytes(int d) { return sizeof(float) * kRows * d; }
    static size_t head_bytes(const BankShape& b) {
        const size_t keys = size_t(padded(b.tokens, kTile)) * b.key_head;
        return (sizeof(float) * (keys + size_t(padded(b.value_head, kTile)) * b.tokens) + 63) / 64 * 64;
    }
    static const float* keys_at(const BankShape& b, const void* memory, int first) {
        return static_cast<const float*>(memory) + size_t(first) * b.key_head;
    }
    static const float* values_at(const BankShape& b, const void* memory, int panel, int first) {
        return keys_at(b, memory, padded(b.tokens, kTile)) + (size_t(panel) * b.tokens + first) * kTile;
    }
    static const float* key_mean(const BankShape&, const void*) { return nullptr; }
    static const float* value_mean(const BankShape&, const void*) { return nullptr; }
    static float key_step(const BankShape&, const void*) { return 1.0f; }

    static void pack(const BankShape& b, int head, const float* key, const float* value, void* memory) {
        float* keys = static_cast<float*>(memory);
        for (int first = 0; first < b.tokens; first += kTile)
            turn_keys(key + head * b.key_head, b.tokens, b.key_head, b.key_width(), first,
                      keys + size_t(first) * b.key_head);
        float* values = keys + size_t(padded(b.tokens, kTile)) * b.key_head;
        for (int start = 0; start < b.value_head; start += kTile) {
            const int count = least(kTile, b.value_head - start);
            const float* from = value + head * b.value_head + start;
            for (int n = 0; n < b.tokens; ++n, values += kTile) {
                for (int c = 0; c < count; ++c) values[c] = from[size_t(n) * b.value_width() + c];
                for (int c = count; c < kTile; ++c) values[c] = 0.0f;
            }
        }
    }
    static float key_code(const BankShape& b, const void* memory, int n, int c) {
        return keys_at(b, memory, n / kTile * kTile)[c * kTile + n % kTile];
    }
    static float value_code(const BankShape& b, const void* memory, int n, int c) {
        return values_at(b, memory, c / kTile, n)[c % kTile];
    }
    static void unpack_scale(const BankShape&, int, const void*, const SlotCodes&) {}
    static void repack(const BankShape& b, int head, const SlotCodes& from, void* memory) {
        pack(b, head, from.key, from.value, memory);
    }
    // Writes one tile of keys with a lane for each key; past the last token it repeats that one.
    static void turn_keys(const float* key, int tokens, int d, int pitch, int first, float* tile) {
        const int whole = d / kLanes * kLanes;
        const bool inside = first + kTile <= tokens;
        for (int c = 0; inside && c < whole; c += kLanes)
            for (int lane = 0; lane < kTile; lane += kLanes)
                transpose(key + size_t(first + lane) * pitch + c, pitch, tile + size_t(c) * kTile + lane, kTile);
        for (int lane = 0; lane < kTile; ++lane) {
            const float* from = key + size_t(least(first + lane, tokens - 1)) * pitch;
            for (int c = inside ? whole : 0; c < d; ++c) tile[c * kTile + lane] = from[c];
        }
    }

    // Puts one query into its panel; returns the step of its numbers.
    static float put_query(const float* query, int d, int row, void* panel) {
        for (int c = 0; c < d; ++c) static_cast<float*>(panel)[c * kRows + row] = query[c];
        return 1.0f;
    }
    template <int V>
    ERMU_INLINE static void multiply(const Block& block, const Number* k, int d, F (&s)[kRows][V]) {
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { s[i][j] = splat(block.biases[i]); });
        add_fp32_products(static_cast<const float*>(block.query), k, kTile, d, s);
    }
    template <int V>
    ERMU_INLINE static void put_weights(float* to, const F (&weights)[V]) {
        each<V>([&](auto j) ERMU_INLINE { store(to + j * kLanes, weights[j]); });
    }
    template <int V>
    ERMU_INLINE static void add_values(const float* weights, const float* v, int count, F (&sums)[kRows][V]) {
        add_fp32_values<kPitch>(weights, v, count, sums);
    }
};

}  // namespace
