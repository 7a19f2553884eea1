// Reads rows of fp32 or fp16 numbers, and finds what is not finite among them.

namespace {

// The `count` consecutive numbers at `offset`, in fp32: where they are, or converted into `copy`, which has room for
// a vector more.
inline const float* numbers_at(const void* base, bool half, size_t offset, int count, float* copy) {
    if (!half) return static_cast<const float*>(base) + offset;
    const uint16_t* halves = static_cast<const uint16_t*>(base) + offset;
    int c = 0;
    for (; c + kLanes <= count; c += kLanes) store(copy + c, load_half(halves + c));
    if (c < count) {
        uint16_t rest[kLanes] = {};
        for (int i = c; i < count; ++i) rest[i - c] = halves[i];
        store(copy + c, load_half(rest));
    }
    return copy;
}

// The first `count` numbers at p, zeros after them.
inline F load_first(const float* p, int count) {
    if (count >= kLanes) return load(p);
    float values[kLanes] = {};
    for (int i = 0; i < count; ++i) values[i] = p[i];
    return load(values);
}

// 0 where all numbers are finite, else NaN.
inline float poison(const float* values, size_t count) {
    F left = splat(0.0f), right = left;
    size_t c = 0;
    for (; c + 2 * kLanes <= count; c += 2 * kLanes) {
        left = fma(load(values + c), splat(0.0f), left);
        right = fma(load(values + c + kLanes), splat(0.0f), right);
    }
    float sum = total(left + right);
    for (; c < count; ++c) sum += values[c] * 0.0f;
    return sum;
}

}  // namespace
