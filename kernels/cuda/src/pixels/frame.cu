// Frames to network size, bicubic as OpenCV's, borders repeated. One thread a pixel.
#include "common.cuh"

template <typename Weight>
struct Taps {
    int first;         // source index of the first of four taps, may lie outside
    Weight weight[4];  // single precision, or fixed point in units of 1 / 2048
};

struct FrameParams {
    const unsigned char* frame;   // (H, W, 3) BGR
    void* resized;                // (Hn, Wn, 3) RGB
    const void *rows, *columns;   // Taps (Hn), (Wn)
    int source_h, source_w, network_h, network_w;
};

// Neither rounded nor clipped.
__device__ __forceinline__ float finished(float sum, float) { return sum; }
// Rounded once, weights of 11 bits twice.
__device__ __forceinline__ unsigned char finished(int sum, unsigned char) {
    return static_cast<unsigned char>(min(max((sum + (1 << 21)) >> 22, 0), 255));
}

template <typename Sum, typename Weight, typename Out>
__device__ __forceinline__ void prepare_frame(const FrameParams& p) {
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.network_w || y >= p.network_h) return;
    const Taps<Weight> row = static_cast<const Taps<Weight>*>(p.rows)[y];
    const Taps<Weight> column = static_cast<const Taps<Weight>*>(p.columns)[x];
    Sum sums[3] = {0, 0, 0};
    for (int i = 0; i < 4; ++i) {
        const int from = min(max(row.first + i, 0), p.source_h - 1);
        Sum across[3] = {0, 0, 0};
        for (int j = 0; j < 4; ++j) {
            const int at = min(max(column.first + j, 0), p.source_w - 1);
            const unsigned char* pixel = p.frame + (static_cast<size_t>(from) * p.source_w + at) * 3;
            for (int c = 0; c < 3; ++c) across[c] += pixel[c] * column.weight[j];
        }
        for (int c = 0; c < 3; ++c) sums[c] += across[c] * row.weight[i];
    }
    Out* out = static_cast<Out*>(p.resized) + (static_cast<size_t>(y) * p.network_w + x) * 3;
    for (int c = 0; c < 3; ++c) out[2 - c] = finished(sums[c], Out());
}

extern "C" __global__ void __launch_bounds__(256) prepare_frame_f32(const FrameParams p) {
    prepare_frame<float, float, float>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_frame_u8(const FrameParams p) {
    prepare_frame<int, short, unsigned char>(p);
}
