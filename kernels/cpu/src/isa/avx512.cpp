// The CPU kernels compiled for AVX-512.
#include "kernels.h"
#include "isa/simd_avx512.h"

using namespace ermu;

#include "isa/every_kernel.inl"

const Isa ermu::kAvx512 = every_kernel("avx512");
