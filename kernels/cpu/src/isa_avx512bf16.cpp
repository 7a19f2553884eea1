// Attention in bf16, compiled for AVX-512 with BF16. No standard templates here, as in the other files of its kind.
#include "kernels.h"
#include "simd_avx512.h"
#include "unroll.h"

using namespace ermu;

#include "exp.inl"
#include "tile.inl"
#include "means.inl"
#include "brain.inl"
#include "streamed.inl"
#include "attention.inl"

const Reader ermu::kBrainReader = reader<Streamed<Brain>>();
