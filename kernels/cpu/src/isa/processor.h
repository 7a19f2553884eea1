// What this processor runs. On x86 by CPUID and XGETBV: builtins for it know f16c only from GCC 11 on, and some runtimes
// of other compilers answer no to everything. On ARM by what the system tells.
#pragma once

#ifdef ERMU_X86
#include <cpuid.h>

namespace ermu {

struct Processor {
    bool avx2 = false, avx512 = false, bf16 = false;
};

inline Processor processor() {
    unsigned a, b, c, d, low, high;
    Processor found;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return found;
    const bool vex = (c & bit_AVX) && (c & bit_FMA) && (c & bit_F16C);
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool ymm = (low & 0x06) == 0x06, zmm = (low & 0xe6) == 0xe6;  // registers that the system saves
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
    found.avx2 = vex && ymm && (b & bit_AVX2);
    found.avx512 = found.avx2 && zmm && (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512DQ) &&
                   (b & bit_AVX512VL) && (c & bit_AVX512VNNI);
    found.bf16 = found.avx512 && a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & bit_AVX512BF16);
    return found;
}

}  // namespace ermu
#endif

#ifdef ERMU_ARM
#ifdef __APPLE__
#include <sys/sysctl.h>
#else
#include <sys/auxv.h>
#endif

namespace ermu {

struct Processor {
    bool i8mm = false;
};

inline Processor processor() {
    Processor found;
#ifdef __APPLE__
    int known = 0;
    size_t size = sizeof known;
    found.i8mm = sysctlbyname("hw.optional.arm.FEAT_I8MM", &known, &size, nullptr, 0) == 0 && known;
#else
    constexpr unsigned long kI8mm = 1ul << 13;  // HWCAP2_I8MM, which older headers lack
    found.i8mm = (getauxval(AT_HWCAP2) & kI8mm) != 0;
#endif
    return found;
}

}  // namespace ermu
#endif
