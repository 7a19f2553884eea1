// What the CPU kernels share: plain descriptions of the work, and the table of functions that each
// instruction set fills in. The functions run on one thread and own no memory; `dispatch.cpp`, `kv_cache.cpp`
// and `window.cpp` divide the work and lend the scratch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attention/attention.h"

namespace ermu {

constexpr int kMaxSlots = 32;
constexpr int kMaxChannels = 11;  // of one group's logits
constexpr int kMaxGroups = 25;

// Step and zero points of the quantised scoring attention (docs/spec/ermu.md, SQA).
struct Quantisation {
    float step;
    int query_zero;
    int key_zero;
    const float* shift;  // (T, D): temporal row minus the keys' mean, added before rounding
};

// One scoring of `count` picked queries against every key of the bank.
struct MassJob {
    const void* query;  // (N, D) fp32, or fp16 where half
    const void* keys;   // (T, N, D) as query
    const float* rows;  // (T, D)
    bool half;
    const int32_t* picked;  // (count) indices of the queries that matter
    int count;
    int slots, tokens, heads, head_channels;
    float* masses;                // (count, T)
    const Quantisation* quantum;  // null for exact scoring

    int channels() const { return heads * head_channels; }
};

// Per-channel statistics of one slot's keys.
struct ChannelRange {
    double* sum;
    float *low, *high;
};

// One decision over the stride-4 logits of all groups.
struct LabelJob {
    const float* logits;    // (G, C, h4, w4)
    const uint8_t* active;  // (G, C)
    int groups, channels, in_h, in_w;
    bool align_corners;  // or half-pixel centres
    int source_h, source_w;
    uint8_t* source;  // (H, W)
};

// Where the output pixels of an axis read and with which weights, `count` a pixel.
struct Taps {
    const int32_t* at;
    const float* weights;
    int count;
};

// One frame to network size.
struct FrameJob {
    const uint8_t* frame;  // (H, W, 3) BGR
    int source_w;
    Taps rows, columns;    // of Hn and Wn pixels
    int network_w;
    float* resized;  // (Hn, Wn, 3) RGB
};

struct Isa {
    const char* name;
    int query_block;  // rows of the micro-kernel: chunks of queries are best a multiple of it

    // Bytes of 64-byte aligned scratch that one thread needs for chunks of `rows` queries.
    size_t (*mass_scratch)(const MassJob&, int rows);
    // Scores the picked queries [begin, end) in one head: their shares of the head's mean, (end - begin, T).
    // False where a value is not finite.
    bool (*score)(const MassJob&, int head, int begin, int end, void* scratch, float* masses);
    // Sum, least and greatest of each channel over the tokens of `slot`, or of the query where slot < 0.
    void (*channel_range)(const MassJob&, int slot, ChannelRange out);
    // dots[c] += sum over n of a[n, c] * b[n, c] in double precision; with b null, the sum of a[n, c].
    void (*channel_dots)(const void* a, const void* b, bool half, int tokens, int channels, double* dots);

    size_t (*label_scratch)(const LabelJob&);
    // Labels of the source rows [begin, end).
    void (*label_rows)(const LabelJob&, int begin, int end, void* scratch);

    size_t (*frame_scratch)(const FrameJob&);
    // The resized rows [begin, end).
    void (*frame_rows)(const FrameJob&, int begin, int end, void* scratch);

    Reader fp32, int8;  // attention in fp32 and in 8-bit codes

    size_t (*window_key_floats)(const WindowJob&);
    size_t (*window_value_floats)(const WindowJob&);
    size_t (*window_relative_floats)(const WindowJob&);
    // Packs the keys and values of grid row y.
    void (*pack_window_row)(const WindowJob&, int y);
    // Packs one head's relative values.
    void (*pack_window_relative)(const WindowJob&, int head);
    size_t (*window_scratch)(const WindowJob&);
    // Answers the queries of grid row y in one head, when everything is packed.
    void (*window_row)(const WindowJob&, int head, int y, void* scratch);
};

extern const Isa kPortable;
#ifdef ERMU_X86
extern const Isa kAvx2;
extern const Isa kAvx512;
extern const Reader kBf16Reader;  // attention in bf16, beside kAvx512
#endif
#ifdef ERMU_ARM
extern const Isa kNeon;
extern const Isa kNeonI8mm;
#endif

}  // namespace ermu
