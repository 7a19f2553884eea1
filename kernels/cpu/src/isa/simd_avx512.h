// Vectors of AVX-512 (F, BW, DQ, VL) with VNNI for the 8-bit products.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr int kLanes = 16;
constexpr int kRows = 12;  // 12 x 2 accumulators, 2 keys and 1 query in 32 registers
constexpr int kGroup = 4;  // channels that one integer instruction multiplies

using Code = uint8_t;    // a quantised query, offset by 128
using KeyCode = int8_t;  // a quantised key

struct F {
    __m512 v;
};
struct I {
    __m512i v;
};

inline F splat(float x) { return {_mm512_set1_ps(x)}; }
inline F load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }
inline F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// a * b + c, rounded once.
inline F fused(F a, F b, F c) { return fma(a, b, c); }
inline F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F round(F a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline bool any_above(F a, F b, F limit) {
    return (_mm512_cmp_ps_mask(a.v, limit.v, _CMP_GT_OQ) | _mm512_cmp_ps_mask(b.v, limit.v, _CMP_GT_OQ)) != 0;
}
inline float highest(F a) { return _mm512_reduce_max_ps(a.v); }
inline float total(F a) { return _mm512_reduce_add_ps(a.v); }
inline F keep_first(F a, int lanes) {
    return {_mm512_maskz_mov_ps(static_cast<__mmask16>(lanes >= 16 ? 0xffff : (1 << lanes) - 1), a.v)};
}
inline F load_half(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}

// 2^x within 1e-7 relative; 0 where x underflows.
inline F exp2(F x) {
    const __m512 f = _mm512_sub_ps(x.v, _mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
    __m512 p = _mm512_set1_ps(0.0018775766f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0089893406f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0558263175f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.2401536107f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.6931530833f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.9999999404f));
    return {_mm512_scalef_ps(p, x.v)};
}

// Lane by lane y as a whole number, at least -125 * 2^23: the exponent lies above bit 23, its fraction below.
inline I fixed_point(F y) {
    return {_mm512_max_epi32(_mm512_cvtps_epi32(y.v), _mm512_set1_epi32(-125 * (1 << 23)))};
}
// 1 + the fraction.
inline F fraction(I bits) {
    const __m512i low = _mm512_set1_epi32((1 << 23) - 1), one = _mm512_set1_epi32(127 << 23);
    return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(bits.v, low, one, 0xea))};
}
// a * 2^exponent.
inline F shifted(F a, I bits) {
    const __m512i exponent = _mm512_and_si512(bits.v, _mm512_set1_epi32(-(1 << 23)));
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), exponent))};
}

// Writes the 16 x 16 block at `in` (rows `pitch` apart) turned over to `out` (rows `out_pitch` apart).
inline void transpose(const float* in, int pitch, float* out, int out_pitch) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(in + size_t(i) * pitch);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int h = 0; h < 2; ++h) {
            const __m512d low = _mm512_castps_pd(b[i + h]), high = _mm512_castps_pd(b[i + 2 + h]);
            a[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            a[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    for (int c = 0; c < 4; ++c) {
        const __m512 even = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88), odd = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
        const __m512 even2 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        const __m512 odd2 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
        _mm512_storeu_ps(out + size_t(c) * out_pitch, _mm512_shuffle_f32x4(even, even2, 0x88));
        _mm512_storeu_ps(out + size_t(8 + c) * out_pitch, _mm512_shuffle_f32x4(even, even2, 0xdd));
        _mm512_storeu_ps(out + size_t(4 + c) * out_pitch, _mm512_shuffle_f32x4(odd, odd2, 0x88));
        _mm512_storeu_ps(out + size_t(12 + c) * out_pitch, _mm512_shuffle_f32x4(odd, odd2, 0xdd));
    }
}

inline I load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store(int32_t* p, I a) { _mm512_storeu_si512(p, a.v); }
inline void store_codes(KeyCode* p, F a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v)));
}
inline F to_float(I a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline I load_codes(const KeyCode* p) { return {_mm512_loadu_si512(p)}; }
inline I splat_codes(const Code* p) { return {_mm512_set1_epi32(*reinterpret_cast<const int32_t*>(p))}; }
// In assembly, because GCC 12 copies and spills every sum of a loop over the intrinsic.
inline I dot_codes(I sum, I query, I key) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(query.v), "v"(key.v));
    return sum;
}

// Lane i becomes row[index[i]]; every index lies below kLanes.
inline F pick(const float* row, const int32_t* index) {
    return {_mm512_permutexvar_ps(_mm512_loadu_si512(index), _mm512_loadu_ps(row))};
}
// Where a > best: best = a and label = id.
inline void take_greater(F a, int id, F& best, I& label) {
    const __mmask16 m = _mm512_cmp_ps_mask(a.v, best.v, _CMP_GT_OQ);
    best.v = _mm512_mask_mov_ps(best.v, m, a.v);
    label.v = _mm512_mask_set1_epi32(label.v, m, id);
}
inline I splat_id(int id) { return {_mm512_set1_epi32(id)}; }
inline void store_bytes(uint8_t* p, I a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v)); }
inline F divide(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }

}  // namespace
