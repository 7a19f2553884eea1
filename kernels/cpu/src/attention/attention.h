// What attention over a memory bank shares with the code that divides it: sizes, the work of one read, and the
// functions of one precision. They run on one thread and own no memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ermu {

// Sizes of a bank: N tokens a slot, heads of `key_head` and `value_head` channels.
struct BankShape {
    int tokens, heads, key_head, value_head;

    int key_width() const { return heads * key_head; }
    int value_width() const { return heads * value_head; }
};

// One read of the first `slots` slots.
struct Reading {
    BankShape bank;
    const float* query;         // (N, D)
    const float* rows;          // (T, D)
    const void* const* packed;  // (T) slots as `pack` left them
    int slots;
    float* out;  // (N, Cv)
};

// One windowed attention over a grid of tokens, heads of `key_head` and `value_head` channels.
struct WindowJob {
    int height, width, heads, key_head, value_head;
    const float *query, *key;  // (N, D)
    const float* value;        // (N, Cv)
    const float* bias;         // (heads, N, 225)
    const float* relative;     // (heads, 225, dv) added to values by their place in the window, or null
    float* out;                // (N, Cv)
    float *keys, *values;      // packed by `pack_window_row`
    float* relatives;          // packed by `pack_window_relative`, where there are any

    int tokens() const { return height * width; }
    int key_width() const { return heads * key_head; }
    int value_width() const { return heads * value_head; }
};

// One slot as its precision rounded it, whatever the order in which an instruction set packs it: a key is its mean and
// its code times the head's step, a value its mean and its code times its channel's step.
struct SlotCodes {
    float *key, *value;            // (N, D), (N, Cv)
    float *key_mean, *value_mean;  // (D), (Cv)
    float *key_step, *value_step;  // (heads), (Cv)
};

// Attention in one precision.
struct Reader {
    int query_block;  // rows of the micro-kernel: chunks of queries are best a multiple of it

    // Bytes of one head of a packed slot, a multiple of 64.
    size_t (*head_bytes)(const BankShape&);
    // Packs one head of a frame's keys (N, D) and values (N, Cv).
    void (*pack)(const BankShape&, int head, const float* key, const float* value, void* memory);
    // Takes one head of a packed slot apart, and packs it again to the same bits.
    void (*unpack)(const BankShape&, int head, const void* memory, const SlotCodes&);
    void (*repack)(const BankShape&, int head, const SlotCodes&, void* memory);
    // Bytes of 64-byte aligned scratch that one thread needs for chunks of `rows` queries.
    size_t (*scratch)(const Reading&, int rows);
    // Answers the queries [begin, end) in one head: their channels of `out`, and into `masses` (end - begin, T)
    // the shares of the head's mean where they are wanted.
    void (*attend)(const Reading&, int head, int begin, int end, void* scratch, float* masses);
};

}  // namespace ermu
