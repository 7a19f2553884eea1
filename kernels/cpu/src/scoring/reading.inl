// Reads rows of fp32 or fp16 numbers, and finds what is not finite among them.

namespace {

// Copies the `count` consecutive numbers at `offset` into fp32; `to` has room for a vector more.
inline void copy_numbers(const void* base, bool half, size_t offset, int count, float* to) {
    const float* full = static_cast<const float*>(base) + offset;
    const uint16_t* halves = static_cast<const uint16_t*>(base) + offset;
    int c = 0;
    for (; c + kLanes <= count; c += kLanes) store(to + c, half ? load_half(halves + c) : load(full + c));
    if (c == count) return;
    uint16_t rest[kLanes] = {};
    for (int i = c; i < count && half; ++i) rest[i - c] = halves[i];
    if (half) store(to + c, load_half(rest));
    for (int i = c; i < count && !half; ++i) to[i] = full[i];
}

// The same numbers in fp32 where they are, if they are that already.
inline const float* numbers_at(const void* base, bool half, size_t offset, int count, float* copy) {
    if (!half) return static_cast<const float*>(base) + offset;
    copy_numbers(base, true, offset, count, copy);
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
