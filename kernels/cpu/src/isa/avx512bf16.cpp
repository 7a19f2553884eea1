// Attention in bf16, compiled for AVX-512 with BF16. No standard templates here, as in the other files of its kind.
#include "kernels.h"
#include "isa/simd_avx512.h"
#include "isa/unroll.h"

using namespace ermu;

#include "isa/exp.inl"
#include "attention/tile.inl"
#include "attention/means.inl"
#include "attention/bf16.inl"
#include "attention/online_softmax.inl"
#include "attention/attention.inl"

const Reader ermu::kBf16Reader = reader<OnlineSoftmax<Bf16>>();
