// Vectors of NEON (ARMv8). 8-bit products go through 16 bits, or through i8mm's products of four where it is there.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr int kLanes = 4;
constexpr int kRows = 8;  // 8 x 2 accumulators, 2 keys and 1 query in 32 registers

struct F {
    float32x4_t v;
};
struct I {
    int32x4_t v;
};

inline F splat(float x) { return {vdupq_n_f32(x)}; }
inline F load(const float* p) { return {vld1q_f32(p)}; }
inline void store(float* p, F a) { vst1q_f32(p, a.v); }
inline F operator+(F a, F b) { return {vaddq_f32(a.v, b.v)}; }
inline F operator-(F a, F b) { return {vsubq_f32(a.v, b.v)}; }
inline F operator*(F a, F b) { return {vmulq_f32(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
// a * b + c, rounded once.
inline F fused(F a, F b, F c) { return fma(a, b, c); }
inline F max(F a, F b) { return {vmaxq_f32(a.v, b.v)}; }
inline F min(F a, F b) { return {vminq_f32(a.v, b.v)}; }
inline F round(F a) { return {vrndnq_f32(a.v)}; }
inline F divide(F a, F b) { return {vdivq_f32(a.v, b.v)}; }
inline bool any_above(F a, F b, F limit) {
    return vmaxvq_u32(vorrq_u32(vcgtq_f32(a.v, limit.v), vcgtq_f32(b.v, limit.v))) != 0;
}
inline float highest(F a) { return vmaxvq_f32(a.v); }
inline float total(F a) { return vaddvq_f32(a.v); }
inline F keep_first(F a, int count) {
    const int32_t lane[kLanes] = {0, 1, 2, 3};
    const uint32x4_t kept = vcltq_s32(vld1q_s32(lane), vdupq_n_s32(count));
    return {vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.v), kept))};
}
inline F load_half(const uint16_t* p) { return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))}; }

// 2^x within 1e-7 relative; 0 where x underflows.
inline F exp2(F x) {
    const float32x4_t clamped = vmaxq_f32(x.v, vdupq_n_f32(-127.0f)), whole = vrndmq_f32(clamped);
    const F f = {vsubq_f32(clamped, whole)};
    F p = fma(splat(0.0018775766f), f, splat(0.0089893406f));
    p = fma(p, f, splat(0.0558263175f));
    p = fma(p, f, splat(0.2401536107f));
    p = fma(p, f, splat(0.6931530833f));
    p = fma(p, f, splat(0.9999999404f));
    const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(whole), vdupq_n_s32(127));
    return {vmulq_f32(p.v, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)))};
}

// Lane by lane y as a whole number, at least -125 * 2^23: the exponent lies above bit 23, its fraction below.
inline I fixed_point(F y) { return {vmaxq_s32(vcvtnq_s32_f32(y.v), vdupq_n_s32(-125 * (1 << 23)))}; }
// 1 + the fraction.
inline F fraction(I bits) {
    const int32x4_t low = vdupq_n_s32((1 << 23) - 1), one = vdupq_n_s32(127 << 23);
    return {vreinterpretq_f32_s32(vorrq_s32(vandq_s32(bits.v, low), one))};
}
// a * 2^exponent.
inline F shifted(F a, I bits) {
    const int32x4_t exponent = vandq_s32(bits.v, vdupq_n_s32(-(1 << 23)));
    return {vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a.v), exponent))};
}

// Writes the 4 x 4 block at `in` (rows `pitch` apart) turned over to `out` (rows `out_pitch` apart).
inline void transpose(const float* in, int pitch, float* out, int out_pitch) {
    const float32x4x2_t low = vtrnq_f32(vld1q_f32(in), vld1q_f32(in + pitch));
    const float32x4x2_t high = vtrnq_f32(vld1q_f32(in + 2 * size_t(pitch)), vld1q_f32(in + 3 * size_t(pitch)));
    for (int odd = 0; odd < 2; ++odd) {
        const float32x4_t a = low.val[odd], b = high.val[odd];
        vst1q_f32(out + size_t(odd) * out_pitch, vcombine_f32(vget_low_f32(a), vget_low_f32(b)));
        vst1q_f32(out + size_t(2 + odd) * out_pitch, vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
    }
}

inline I load(const int32_t* p) { return {vld1q_s32(p)}; }
inline void store(int32_t* p, I a) { vst1q_s32(p, a.v); }
inline F to_float(I a) { return {vcvtq_f32_s32(a.v)}; }

#ifdef __ARM_FEATURE_MATMUL_INT8

constexpr int kGroup = 4;  // channels that one integer instruction multiplies

using Code = uint8_t;    // a quantised query, offset by 128
using KeyCode = int8_t;  // a quantised key

inline void store_codes(KeyCode* p, F a) {
    const int16x4_t words = vmovn_s32(vcvtnq_s32_f32(a.v));
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    vst1_lane_s32(reinterpret_cast<int32_t*>(p), vreinterpret_s32_s8(bytes), 0);
}
inline I load_codes(const KeyCode* p) { return {vreinterpretq_s32_s8(vld1q_s8(p))}; }
inline I splat_codes(const Code* p) { return {vld1q_dup_s32(reinterpret_cast<const int32_t*>(p))}; }
inline I dot_codes(I sum, I query, I key) {
    return {vusdotq_s32(sum.v, vreinterpretq_u8_s32(query.v), vreinterpretq_s8_s32(key.v))};
}

#else

constexpr int kGroup = 1;

using Code = int16_t;
using KeyCode = int16_t;

inline void store_codes(KeyCode* p, F a) { vst1_s16(p, vmovn_s32(vcvtnq_s32_f32(a.v))); }
inline I load_codes(const KeyCode* p) { return {vmovl_s16(vld1_s16(p))}; }
inline I splat_codes(const Code* p) { return {vdupq_n_s32(*p)}; }
inline I dot_codes(I sum, I query, I key) { return {vmlaq_s32(sum.v, query.v, key.v)}; }

#endif

// Lane i becomes row[index[i]]; every index lies below kLanes.
inline F pick(const float* row, const int32_t* index) {
    const int32x4_t byte = vmlaq_n_s32(vdupq_n_s32(0x03020100), vld1q_s32(index), 0x04040404);
    return {vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(vld1q_f32(row)), vreinterpretq_u8_s32(byte)))};
}
// Where a > best: best = a and label = id.
inline void take_greater(F a, int id, F& best, I& label) {
    const uint32x4_t m = vcgtq_f32(a.v, best.v);
    best.v = vbslq_f32(m, a.v, best.v);
    label.v = vbslq_s32(m, vdupq_n_s32(id), label.v);
}
inline I splat_id(int id) { return {vdupq_n_s32(id)}; }
inline void store_bytes(uint8_t* p, I a) {
    const int16x4_t words = vmovn_s32(a.v);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    vst1_lane_s32(reinterpret_cast<int32_t*>(p), vreinterpret_s32_s8(bytes), 0);
}

}  // namespace
