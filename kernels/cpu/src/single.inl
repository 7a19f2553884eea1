// Attention's arithmetic in fp32.

namespace {

// Adds the products of a panel of queries and V vectors of keys, whose channels lie `pitch` apart.
template <int V>
inline void accumulate_products(const float* q, const float* k, int pitch, int d, F (&s)[kRows][V]) {
    for (int c = 0; c < d; ++c, q += kRows, k += pitch) {
        F key[V];
        for (int j = 0; j < V; ++j) key[j] = load(k + j * kLanes);
        for (int i = 0; i < kRows; ++i) {
            const F x = splat(q[i]);
            for (int j = 0; j < V; ++j) s[i][j] = fma(x, key[j], s[i][j]);
        }
    }
}

// Adds the values of `count` keys by the weights of kRows queries, which lie Pitch apart.
template <int Pitch, int V>
inline void accumulate_values(const float* weights, const float* v, int count, F (&sums)[kRows][V]) {
    for (int n = 0; n < count; ++n, v += kTile) {
        F value[V];
        for (int j = 0; j < V; ++j) value[j] = load(v + j * kLanes);
        for (int i = 0; i < kRows; ++i) {
            const F x = splat(weights[i * Pitch + n]);
            for (int j = 0; j < V; ++j) sums[i][j] = fma(x, value[j], sums[i][j]);
        }
    }
}

// One head of a packed slot: keys in tiles (d, kTile), then values in panels (N, kTile).
struct Single {
    using Weight = float;

    static size_t keys_bytes(const BankShape& b) { return sizeof(float) * padded(b.tokens, kTile) * b.key_head; }
    static size_t head_bytes(const BankShape& b) {
        return keys_bytes(b) + sizeof(float) * padded(b.value_head, kTile) * b.tokens;
    }
    static size_t query_bytes(int d) { return sizeof(float) * kRows * d; }

    static void pack(const BankShape& b, int head, const float* key, const float* value, void* memory) {
        float* keys = static_cast<float*>(memory);
        for (int first = 0; first < b.tokens; first += kTile)
            turn_keys(b, key + head * b.key_head, first, keys + size_t(first) * b.key_head);
        float* values = keys + keys_bytes(b) / sizeof(float);
        for (int start = 0; start < b.value_head; start += kTile) {
            const int count = least(kTile, b.value_head - start);
            const float* from = value + head * b.value_head + start;
            for (int n = 0; n < b.tokens; ++n, values += kTile) {
                for (int c = 0; c < count; ++c) values[c] = from[size_t(n) * b.value_width() + c];
                for (int c = count; c < kTile; ++c) values[c] = 0.0f;
            }
        }
    }
    // Writes one tile of keys with a lane for each key; past the last token it repeats that one.
    static void turn_keys(const BankShape& b, const float* key, int first, float* tile) {
        const int whole = b.key_head / kLanes * kLanes, pitch = b.key_width();
        const bool inside = first + kTile <= b.tokens;
        for (int c = 0; inside && c < whole; c += kLanes)
            for (int lane = 0; lane < kTile; lane += kLanes)
                transpose(key + size_t(first + lane) * pitch + c, pitch, tile + size_t(c) * kTile + lane, kTile);
        for (int lane = 0; lane < kTile; ++lane) {
            const float* from = key + size_t(least(first + lane, b.tokens - 1)) * pitch;
            for (int c = inside ? whole : 0; c < b.key_head; ++c) tile[c * kTile + lane] = from[c];
        }
    }

    static void put_query(const float* query, int d, int row, void* panel) {
        for (int c = 0; c < d; ++c) static_cast<float*>(panel)[c * kRows + row] = query[c];
    }

    template <int V>
    static void multiply(const Block& block, const float* k, int d, F (&s)[kRows][V]) {
        const float* q = static_cast<const float*>(block.query);
        for (int i = 0; i < kRows; ++i)
            for (int j = 0; j < V; ++j) s[i][j] = splat(block.biases[i]);
        accumulate_products(q, k, kTile, d, s);
    }

    // Weighs one tile; false where a product passes its row's peak by the slack.
    template <int V>
    static bool weigh_tile(const Block& block, const float* k, int d, int tail, Weight* weights) {
        F s[kRows][V];
        multiply<V>(block, k, d, s);
        if (!weigh<4, V>(block, s, tail)) return false;
        for (int i = 0; weights && i < kRows; ++i)
            for (int j = 0; j < V; ++j) store(weights + i * kPitch + j * kLanes, s[i][j]);
        return true;
    }

    // Weighs `count` keys from `first` on, into `weights` unless null; false where a peak must be raised before.
    static bool weigh_keys(const Block& block, const BankShape& b, const void* memory, int first, int count,
                           Weight* weights) {
        const int d = b.key_head;
        const float* k = static_cast<const float*>(memory) + size_t(first) * d;
        for (int at = 0; at < count; at += kTile, k += size_t(kTile) * d) {
            Weight* here = weights ? weights + at : nullptr;
            if (!(count - at > kLanes ? weigh_tile<2>(block, k, d, count - at, here)
                                      : weigh_tile<1>(block, k, d, count - at, here)))
                return false;
        }
        return true;
    }

    // Raises the peaks to the greatest products with `count` keys from `first` on.
    static void raise_peaks(const Block& block, const BankShape& b, const void* memory, int first, int count) {
        const float* k = static_cast<const float*>(memory) + size_t(first) * b.key_head;
        for (int at = 0; at < count; at += kTile, k += size_t(kTile) * b.key_head) {
            F s[kRows][2];
            multiply<2>(block, k, b.key_head, s);
            for (int i = 0; i < kRows; ++i) raise_peak(block, i, highest(max(s[i][0], s[i][1])));
        }
    }

    template <int V>
    static void gather(const Weight* weights, const float* v, int count, float* out) {
        F sums[kRows][V];
        for (int i = 0; i < kRows; ++i)
            for (int j = 0; j < V; ++j) sums[i][j] = load(out + i * kTile + j * kLanes);
        accumulate_values<kPitch>(weights, v, count, sums);
        for (int i = 0; i < kRows; ++i)
            for (int j = 0; j < V; ++j) store(out + i * kTile + j * kLanes, sums[i][j]);
    }

    // Adds the weighed values of `count` keys from `first` on to one panel of the block.
    static void gather_values(const Block& block, const BankShape& b, const void* memory, int panel, int first,
                              int count, const Weight* weights) {
        const float* values = static_cast<const float*>(memory) + keys_bytes(b) / sizeof(float);
        const float* v = values + (size_t(panel) * b.tokens + first) * kTile;
        float* out = block.out + size_t(panel) * kRows * kTile;
        if (b.value_head - panel * kTile > kLanes) {
            gather<2>(weights, v, count, out);
        } else {
            gather<1>(weights, v, count, out);
        }
    }
};

}  // namespace
