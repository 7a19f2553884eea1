// Vectors of four as plain arrays, for any processor and any C++17 compiler.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kLanes = 4;
constexpr int kRows = 4;
constexpr int kGroup = 1;

using Code = int16_t;
using KeyCode = int16_t;

struct F {
    float v[kLanes];
};
struct I {
    int32_t v[kLanes];
};

template <typename Op>
inline F lanes(Op op) {
    F out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = op(i);
    return out;
}

inline F splat(float x) { return lanes([=](int) { return x; }); }
inline F load(const float* p) { return lanes([=](int i) { return p[i]; }); }
inline void store(float* p, F a) { std::memcpy(p, a.v, sizeof a.v); }
inline F operator+(F a, F b) { return lanes([&](int i) { return a.v[i] + b.v[i]; }); }
inline F operator-(F a, F b) { return lanes([&](int i) { return a.v[i] - b.v[i]; }); }
inline F operator*(F a, F b) { return lanes([&](int i) { return a.v[i] * b.v[i]; }); }
inline F fma(F a, F b, F c) { return lanes([&](int i) { return a.v[i] * b.v[i] + c.v[i]; }); }
// a * b + c, rounded once.
inline F fused(F a, F b, F c) {
    return lanes([&](int i) { return static_cast<float>(double(a.v[i]) * b.v[i] + c.v[i]); });
}
inline F max(F a, F b) { return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
inline F min(F a, F b) { return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }
inline F round(F a) { return lanes([&](int i) { return std::nearbyint(a.v[i]); }); }
inline F divide(F a, F b) { return lanes([&](int i) { return a.v[i] / b.v[i]; }); }
inline float highest(F a) {
    float best = a.v[0];
    for (float x : a.v) best = x > best ? x : best;
    return best;
}
inline float total(F a) {
    float sum = 0.0f;
    for (float x : a.v) sum += x;
    return sum;
}
inline bool any_above(F a, F b, F limit) {
    bool found = false;
    for (int i = 0; i < kLanes; ++i) found |= a.v[i] > limit.v[i] || b.v[i] > limit.v[i];
    return found;
}
inline F keep_first(F a, int count) { return lanes([&](int i) { return i < count ? a.v[i] : 0.0f; }); }

// IEEE half to float: shift the fields into place and let one multiplication rebias the exponent.
inline float from_half(uint16_t h) {
    const uint32_t magnitude = (h & 0x7fffu) << 13;
    float value;
    std::memcpy(&value, &magnitude, sizeof value);
    value *= 5.192296858534828e33f;  // 2^112
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if ((h & 0x7c00u) == 0x7c00u) bits |= 0x7f800000u;
    bits |= (h & 0x8000u) << 16;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline F load_half(const uint16_t* p) { return lanes([=](int i) { return from_half(p[i]); }); }

// 2^x within 1e-7 relative; 0 where x underflows.
inline F exp2(F x) {
    return lanes([&](int i) {
        const float clamped = x.v[i] > -127.0f ? x.v[i] : -127.0f;
        const float whole = std::floor(clamped), f = clamped - whole;
        float p = 0.0018775766f;
        p = p * f + 0.0089893406f;
        p = p * f + 0.0558263175f;
        p = p * f + 0.2401536107f;
        p = p * f + 0.6931530833f;
        p = p * f + 0.9999999404f;
        const int32_t exponent = (static_cast<int32_t>(whole) + 127) << 23;
        float power;
        std::memcpy(&power, &exponent, sizeof power);
        return p * power;
    });
}

// Lane by lane y as a whole number, at least -125 * 2^23: the exponent lies above bit 23, its fraction below.
inline I fixed_point(F y) {
    constexpr float kLeast = -125.0f * (1 << 23), kMost = 127.0f * (1 << 23);
    I out;
    for (int i = 0; i < kLanes; ++i) {
        const float kept = y.v[i] > kLeast ? (y.v[i] < kMost ? y.v[i] : kMost) : kLeast;
        out.v[i] = static_cast<int32_t>(kept);
    }
    return out;
}
// 1 + the fraction.
inline F fraction(I bits) {
    F out;
    for (int32_t& b : bits.v) b = (b & ((1 << 23) - 1)) | (127 << 23);
    std::memcpy(out.v, bits.v, sizeof out.v);
    return out;
}
// a * 2^exponent.
inline F shifted(F a, I bits) {
    I sum;
    std::memcpy(sum.v, a.v, sizeof sum.v);
    for (int i = 0; i < kLanes; ++i) sum.v[i] += bits.v[i] & -(1 << 23);
    std::memcpy(a.v, sum.v, sizeof a.v);
    return a;
}

// Writes the square block at `in` (rows `pitch` apart) turned over to `out` (rows `out_pitch` apart).
inline void transpose(const float* in, int pitch, float* out, int out_pitch) {
    for (int i = 0; i < kLanes; ++i)
        for (int j = 0; j < kLanes; ++j) out[size_t(j) * out_pitch + i] = in[size_t(i) * pitch + j];
}

inline I load(const int32_t* p) {
    I out;
    std::memcpy(out.v, p, sizeof out.v);
    return out;
}
inline void store(int32_t* p, I a) { std::memcpy(p, a.v, sizeof a.v); }
inline void store_codes(KeyCode* p, F a) {
    for (int i = 0; i < kLanes; ++i) p[i] = static_cast<KeyCode>(a.v[i]);
}
inline F to_float(I a) { return lanes([&](int i) { return static_cast<float>(a.v[i]); }); }
inline I load_codes(const KeyCode* p) { return {{p[0], p[1], p[2], p[3]}}; }
inline I splat_codes(const Code* p) { return {{*p, *p, *p, *p}}; }
inline I dot_codes(I sum, I query, I key) {
    for (int i = 0; i < kLanes; ++i) sum.v[i] += query.v[i] * key.v[i];
    return sum;
}

inline F pick(const float* row, const int32_t* index) { return lanes([=](int i) { return row[index[i]]; }); }
inline void take_greater(F a, int id, F& best, I& label) {
    for (int i = 0; i < kLanes; ++i) {
        if (!(a.v[i] > best.v[i])) continue;
        best.v[i] = a.v[i];
        label.v[i] = id;
    }
}
inline I splat_id(int id) { return {{id, id, id, id}}; }
inline void store_bytes(uint8_t* p, I a) {
    for (int i = 0; i < kLanes; ++i) p[i] = static_cast<uint8_t>(a.v[i]);
}

}  // namespace
