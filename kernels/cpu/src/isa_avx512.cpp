// The CPU kernels compiled for AVX-512. No standard templates here: the linker might keep this file's copy for all.
#include "kernels.h"
#include "simd_avx512.h"

using namespace ermu;

#include "labels.inl"
#include "scoring.inl"

const Isa ermu::kAvx512 = {"avx512",         kRows,         mass_scratch,  score,
                      channel_range, channel_dots, label_scratch, label_rows};
