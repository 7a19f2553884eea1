// Every kernel on the vectors that were included before this file, and the table of them. No standard templates in the
// files that include it: the linker might keep one instruction set's copy for all.
#include "isa/unroll.h"

#include "pixels/labels.inl"
#include "pixels/frame.inl"
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

namespace {

constexpr ermu::Isa every_kernel(const char* name) {
    return {
        name,          kRows,
        mass_scratch,  score,
        channel_range, channel_dots,
        label_scratch, label_rows,
        frame_scratch, frame_rows,
        reader<OnlineSoftmax<Fp32>>(), reader<Int8>(),
        window_key_floats, window_value_floats, window_relative_floats,
        pack_window_row, pack_window_relative,
        window_scratch, window_row,
    };
}

}  // namespace
