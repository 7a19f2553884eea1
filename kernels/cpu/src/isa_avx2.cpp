// The CPU kernels compiled for AVX2. No standard templates here: the linker might keep this file's copy for all.
#include "kernels.h"
#include "simd_avx2.h"
#include "unroll.h"

using namespace ermu;

#include "labels.inl"
#include "exp.inl"
#include "tile.inl"
#include "single.inl"
#include "means.inl"
#include "codes.inl"
#include "streamed.inl"
#include "attention.inl"
#include "window.inl"
#include "reading.inl"
#include "channels.inl"
#include "sqa.inl"
#include "masses.inl"

const Isa ermu::kAvx2 = {
    "avx2",     kRows,           mass_scratch,   score,
    channel_range, channel_dots,    label_scratch,  label_rows,
    reader<Streamed<Single>>(),     reader<Codes>(),
    window_key_floats, window_value_floats, pack_window_row, window_scratch, window_row,
};
