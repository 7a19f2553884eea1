// The CPU kernels compiled for NEON with products of 8-bit matrices.
#include "kernels.h"
#include "isa/simd_neon.h"

using namespace ermu;

#include "isa/every_kernel.inl"

const Isa ermu::kNeonI8mm = every_kernel("neon_i8mm");
