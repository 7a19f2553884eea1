// What the narrow precisions take off a slot before they round it: the means of its keys and values over the tokens.
//
// q . (k - mean) + q . mean is exact in the sum, and so is sum p (v - mean) + mass x mean, so the means lose nothing;
// what is left to round is smaller.

namespace {

// One head of one slot: its means and the steps of its codes, before the codes themselves.
struct Means {
    float *key, *value;            // (d), (dv)
    float *key_step, *value_step;  // (d), (dv): how far numbers reach from their mean, or the steps of their codes
    char* codes;
};

inline Means means_at(const BankShape& b, const void* memory) {
    char* base = static_cast<char*>(const_cast<void*>(memory));
    const auto take = [&](int floats) {
        float* at = reinterpret_cast<float*>(base);
        base += (floats * sizeof(float) + 63) / 64 * 64;
        return at;
    };
    Means m;
    m.key = take(b.key_head);
    m.value = take(padded(b.value_head, kTile));
    m.key_step = take(b.key_head);
    m.value_step = take(padded(b.value_head, kTile));
    m.codes = base;
    return m;
}

inline size_t means_bytes(const BankShape& b) {
    alignas(64) static char origin[1];
    return means_at(b, origin).codes - origin;
}

// Copies one head's means, which lie side by side in a slot's.
inline void copy_means(const BankShape& b, int head, const Means& m, const SlotCodes& to) {
    __builtin_memcpy(to.key_mean + head * b.key_head, m.key, sizeof(float) * b.key_head);
    __builtin_memcpy(to.value_mean + head * b.value_head, m.value, sizeof(float) * b.value_head);
}
inline void put_means(const BankShape& b, int head, const SlotCodes& from, const Means& m) {
    __builtin_memcpy(m.key, from.key_mean + head * b.key_head, sizeof(float) * b.key_head);
    __builtin_memcpy(m.value, from.value_mean + head * b.value_head, sizeof(float) * b.value_head);
}

// Means of 0 and steps of 1, with which codes pack as themselves.
inline void put_no_means(const BankShape& b, const Means& m) {
    for (int c = 0; c < b.key_head; ++c) m.key[c] = 0.0f;
    for (int c = 0; c < b.value_head; ++c) {
        m.value[c] = 0.0f;
        m.value_step[c] = 1.0f;
    }
    *m.key_step = 1.0f;
}

// The mean of each of `count` channels whose tokens lie `pitch` apart, and the greatest distance from it.
inline void measure(const float* from, int tokens, int pitch, int count, float* mean, float* reach) {
    for (int start = 0; start < count; start += kTile) {
        const int wide = least(kTile, count - start);
        float sum[kTile] = {}, low[kTile], high[kTile];
        for (int c = 0; c < kTile; ++c) {
            low[c] = __builtin_inff();
            high[c] = -__builtin_inff();
        }
        for (int n = 0; n < tokens; ++n) {
            const float* values = from + size_t(n) * pitch + start;
            for (int c = 0; c < wide; ++c) {
                sum[c] += values[c];
                low[c] = values[c] < low[c] ? values[c] : low[c];
                high[c] = values[c] > high[c] ? values[c] : high[c];
            }
        }
        for (int c = 0; c < wide; ++c) {
            mean[start + c] = sum[c] / float(tokens);
            const float above = high[c] - mean[start + c], below = mean[start + c] - low[c];
            reach[start + c] = above > below ? above : below;
        }
    }
}

}  // namespace
