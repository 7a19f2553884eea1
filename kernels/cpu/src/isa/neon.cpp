// The CPU kernels compiled for NEON.
#include "kernels.h"
#include "isa/simd_neon.h"

using namespace ermu;

#include "isa/every_kernel.inl"

const Isa ermu::kNeon = every_kernel("neon");
