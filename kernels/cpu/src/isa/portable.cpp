// The CPU kernels compiled for any processor. No standard templates here: the linker might keep this file's copy for
// all.
#include "kernels.h"
#include "isa/simd_portable.h"
#include "isa/unroll.h"

using namespace ermu;

#include "pixels/labels.inl"
#include "isa/exp.inl"
#include "attention/tile.inl"
#include "attention/fp32.inl"
#include "attention/means.inl"
#include "attention/int8.inl"
#include "attention/online_softmax.inl"
#include "attention/attention.inl"
#include "window/window.inl"
#include "scoring/reading.inl"
#include "scoring/channels.inl"
#include "scoring/sqa.inl"
#include "scoring/masses.inl"

const Isa ermu::kPortable = {
    "portable",     kRows,           mass_scratch,   score,
    channel_range, channel_dots,    label_scratch,  label_rows,
    reader<OnlineSoftmax<Fp32>>(),     reader<Int8>(),
    window_key_floats, window_value_floats, window_relative_floats, pack_window_row, pack_window_relative,
    window_scratch, window_row,
};
