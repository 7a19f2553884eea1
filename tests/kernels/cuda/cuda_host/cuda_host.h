// The subset of CUDA C++ that ERMU's kernels use, for g++: a block's threads are fibers of one OS thread that
// really interleave at barriers and shuffles. Blocks run one after another.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

using std::isfinite;
using std::isnan;
using std::size_t;

struct uint3 {
    unsigned x, y, z;
};
using dim3 = uint3;
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};

namespace host {

extern uint3 thread_index, block_index;
extern dim3 block_size, grid_size;

constexpr int kWarp = 32;

// Gives way until every thread of the block (or warp) that still runs has come here as well.
void block_barrier();
void warp_barrier();

// The bytes that each lane of the current warp last offered for exchange.
extern unsigned char exchanged[32][kWarp][16];
int warp_of_thread();
int lane_of_thread();

}  // namespace host

#define threadIdx (host::thread_index)
#define blockIdx (host::block_index)
#define blockDim (host::block_size)
#define gridDim (host::grid_size)

inline void __syncthreads() { host::block_barrier(); }

template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    static_assert(sizeof(T) <= 16);
    const int warp = host::warp_of_thread(), lane = host::lane_of_thread();
    std::memcpy(host::exchanged[warp][lane], &value, sizeof value);
    host::warp_barrier();
    T received;
    std::memcpy(&received, host::exchanged[warp][lane ^ mask], sizeof received);
    host::warp_barrier();
    return received;
}

inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; ++i)
        sum += static_cast<int8_t>(static_cast<unsigned>(a) >> (8 * i)) *
               static_cast<int8_t>(static_cast<unsigned>(b) >> (8 * i));
    return sum;
}

// Fibers never run at the same time.
inline int atomicOr(int* word, int bits) {
    const int before = *word;
    *word |= bits;
    return before;
}

template <typename T>
T atomicAdd(T* number, T more) {
    const T before = *number;
    *number += more;
    return before;
}
template <typename T>
T atomicMin(T* number, T other) {
    const T before = *number;
    if (other < before) *number = other;
    return before;
}
template <typename T>
T atomicMax(T* number, T other) {
    const T before = *number;
    if (other > before) *number = other;
    return before;
}

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
