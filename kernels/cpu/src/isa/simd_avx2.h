// Vectors of AVX2 with FMA and F16C; 8-bit products go through 16-bit pairs, which cannot saturate.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr int kLanes = 8;
constexpr int kRows = 6;  // 6 x 2 accumulators, 2 keys and 1 query in 16 registers
constexpr int kGroup = 2;

using Code = int16_t;
using KeyCode = int16_t;

struct F {
    __m256 v;
};
struct I {
    __m256i v;
};

inline F splat(float x) { return {_mm256_set1_ps(x)}; }
inline F load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline void store(float* p, F a) { _mm256_storeu_ps(p, a.v); }
inline F operator+(F a, F b) { return {_mm256_add_ps(a.v, b.v)}; }
inline F operator-(F a, F b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline F operator*(F a, F b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// a * b + c, rounded once.
inline F fused(F a, F b, F c) { return fma(a, b, c); }
inline F max(F a, F b) { return {_mm256_max_ps(a.v, b.v)}; }
inline F min(F a, F b) { return {_mm256_min_ps(a.v, b.v)}; }
inline F round(F a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline bool any_above(F a, F b, F limit) {
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(a.v, limit.v, _CMP_GT_OQ),
                                           _mm256_cmp_ps(b.v, limit.v, _CMP_GT_OQ))) != 0;
}
inline float highest(F a) {
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}
inline float total(F a) {
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
}
inline F keep_first(F a, int lanes) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return {_mm256_and_ps(a.v, _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), lane)))};
}
inline F load_half(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}

// 2^x within 1e-7 relative; 0 where x underflows.
inline F exp2(F x) {
    const __m256 clamped = _mm256_max_ps(x.v, _mm256_set1_ps(-127.0f));
    const __m256 whole = _mm256_floor_ps(clamped);
    const __m256 f = _mm256_sub_ps(clamped, whole);
    __m256 p = _mm256_set1_ps(0.0018775766f);
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.0089893406f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.0558263175f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.2401536107f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.6931530833f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.9999999404f));
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
    return {_mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))};
}

// Lane by lane y as a whole number, at least -125 * 2^23: the exponent lies above bit 23, its fraction below.
inline I fixed_point(F y) {
    return {_mm256_max_epi32(_mm256_cvtps_epi32(y.v), _mm256_set1_epi32(-125 * (1 << 23)))};
}
// 1 + the fraction.
inline F fraction(I bits) {
    const __m256i low = _mm256_set1_epi32((1 << 23) - 1), one = _mm256_set1_epi32(127 << 23);
    return {_mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(bits.v, low), one))};
}
// a * 2^exponent.
inline F shifted(F a, I bits) {
    const __m256i exponent = _mm256_and_si256(bits.v, _mm256_set1_epi32(-(1 << 23)));
    return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a.v), exponent))};
}

// Writes the square block at `in` (rows `pitch` apart) turned over to `out` (rows `out_pitch` apart).
inline void transpose(const float* in, int pitch, float* out, int out_pitch) {
    for (int i = 0; i < kLanes; ++i)
        for (int j = 0; j < kLanes; ++j) out[size_t(j) * out_pitch + i] = in[size_t(i) * pitch + j];
}

inline I load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
inline void store(int32_t* p, I a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
inline void store_codes(KeyCode* p, F a) {
    const __m256i whole = _mm256_cvtps_epi32(a.v);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), words);
}
inline F to_float(I a) { return {_mm256_cvtepi32_ps(a.v)}; }
inline I load_codes(const KeyCode* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
inline I splat_codes(const Code* p) { return {_mm256_set1_epi32(*reinterpret_cast<const int32_t*>(p))}; }
inline I dot_codes(I sum, I query, I key) {
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(query.v, key.v))};
}

inline F pick(const float* row, const int32_t* index) {
    return {_mm256_permutevar8x32_ps(_mm256_loadu_ps(row), load(index).v)};
}
inline void take_greater(F a, int id, F& best, I& label) {
    const __m256 m = _mm256_cmp_ps(a.v, best.v, _CMP_GT_OQ);
    best.v = _mm256_blendv_ps(best.v, a.v, m);
    label.v = _mm256_blendv_epi8(label.v, _mm256_set1_epi32(id), _mm256_castps_si256(m));
}
inline I splat_id(int id) { return {_mm256_set1_epi32(id)}; }
inline void store_bytes(uint8_t* p, I a) {
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
inline F divide(F a, F b) { return {_mm256_div_ps(a.v, b.v)}; }

}  // namespace
