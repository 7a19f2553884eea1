// Loops over registers: unrolled before the compiler decides what lives where.
//
// Sums that live in registers must not cross a call, and an array of them becomes registers only while every index is a
// constant. So what holds them is inlined whatever the compiler thinks of its size, its short loops are written with
// `each`, and the functions around it stay apart, so that each has all registers to itself.
#pragma once

#define ERMU_INLINE __attribute__((always_inline))
#define ERMU_APART __attribute__((noinline))

namespace {

template <int Value>
struct Index {
    constexpr operator int() const { return Value; }
};

// Calls body(Index<0>), ..., body(Index<Count - 1>).
template <int Count, typename Body>
ERMU_INLINE inline void each(const Body& body) {
    if constexpr (Count > 0) {
        each<Count - 1>(body);
        body(Index<Count - 1>{});
    }
}

// The same over the cells of a grid, row by row.
template <int Rows, int Columns, typename Body>
ERMU_INLINE inline void each_cell(const Body& body) {
    each<Rows>([&](auto i) ERMU_INLINE { each<Columns>([&](auto j) ERMU_INLINE { body(i, j); }); });
}

}  // namespace
