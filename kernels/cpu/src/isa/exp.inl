// Powers of two in few instructions, and what the softmax needs around them.
//
// An exponent comes multiplied by 2^23: as a whole number its upper bits are then a float's exponent, and the
// 23 below them the fraction that a short polynomial turns into a mantissa. Nothing is compared or branched on.

namespace {

constexpr float kExponentUnit = 8388608.0f;                    // 2^23
constexpr float kLog2E = 1.4426950408889634f * kExponentUnit;  // of natural logits
constexpr float kSlack = 32.0f * kExponentUnit;  // logits may pass the peak by 2^32 before it is raised

// 2^(m - 1) for 1 <= m < 2, greatest relative errors 2.7e-6 and 7.5e-5 (Lawson's iteration).
template <int Degree>
ERMU_INLINE inline F power_of_fraction(F m);
template <>
ERMU_INLINE inline F power_of_fraction<4>(F m) {
    F p = fma(splat(0.0135341678f), m, splat(-0.00212521083f));
    p = fma(p, m, splat(0.166613385f));
    p = fma(p, m, splat(0.31201604f));
    return fma(p, m, splat(0.509964228f));
}
template <>
ERMU_INLINE inline F power_of_fraction<3>(F m) {
    F p = fma(splat(0.0780245215f), m, splat(-0.00800641067f));
    p = fma(p, m, splat(0.477772802f));
    return fma(p, m, splat(0.452134311f));
}

// 2^(y / 2^23), at least 2^-125 or so; y must lie below 127 * 2^23.
template <int Degree>
ERMU_INLINE inline F power(F y) {
    const I bits = fixed_point(y);
    return shifted(power_of_fraction<Degree>(fraction(bits)), bits);
}

// The same for one number, exactly, and 0 for -infinity.
inline float exact_power(float y) { return __builtin_exp2f(y / kExponentUnit); }

}  // namespace
