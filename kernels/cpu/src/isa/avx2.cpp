// The CPU kernels compiled for AVX2.
#include "kernels.h"
#include "isa/simd_avx2.h"

using namespace ermu;

#include "isa/every_kernel.inl"

const Isa ermu::kAvx2 = every_kernel("avx2");
