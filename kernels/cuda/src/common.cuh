// What the kernels share: input types, tile sizes and small helpers. Only this subset of CUDA is used, so that
// tests/kernels/cuda/cuda_host can run the same files on a CPU.
#pragma once

#include <cuda_fp16.h>
#include <math_constants.h>

constexpr int kMaxSlots = 32;
constexpr int kMaxChannels = 11;  // of one group's logits
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr float kLog2E = 1.4426950408889634f;

struct Four {
    float x[4];
};

// Four consecutive numbers from an address aligned to four of them.
__device__ __forceinline__ Four load_four(const float* p) {
    const float4 v = *reinterpret_cast<const float4*>(p);
    return {{v.x, v.y, v.z, v.w}};
}
__device__ __forceinline__ Four load_four(const __half* p) {
    const uint2 v = *reinterpret_cast<const uint2*>(p);
    return {{__half2float(__ushort_as_half(static_cast<unsigned short>(v.x & 0xffffu))),
             __half2float(__ushort_as_half(static_cast<unsigned short>(v.x >> 16))),
             __half2float(__ushort_as_half(static_cast<unsigned short>(v.y & 0xffffu))),
             __half2float(__ushort_as_half(static_cast<unsigned short>(v.y >> 16)))}};
}
__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(__half x) { return __half2float(x); }

// 0 for a finite number, NaN for any other.
__device__ __forceinline__ float poison(float x) { return x * 0.0f; }

// The bits of the fault word, which stays set until the host has read it; `faults.py` names them.
constexpr int kFaultInScoring = 1, kFaultInGram = 2, kFaultInForeground = 4, kFaultInLogits = 8;

__device__ __forceinline__ void report(int* fault, float bad, int bit) {
    if (bad != 0.0f) atomicOr(fault, bit);
}
