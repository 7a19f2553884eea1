// The CPU kernels compiled for any processor. No standard templates here: the linker might keep this file's copy for all.
#include "kernels.h"
#include "simd_portable.h"

using namespace ermu;

#include "labels.inl"
#include "scoring.inl"

const Isa ermu::kPortable = {"portable",         kRows,         mass_scratch,  score,
                      channel_range, channel_dots, label_scratch, label_rows};
