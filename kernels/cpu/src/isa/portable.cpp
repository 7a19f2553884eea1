// The CPU kernels compiled for any processor.
#include "kernels.h"
#include "isa/simd_portable.h"

using namespace ermu;

#include "isa/every_kernel.inl"

const Isa ermu::kPortable = every_kernel("portable");
