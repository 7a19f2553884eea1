// Frames to network size by the taps of each axis. One thread a pixel.
#include "common.cuh"

struct FrameParams {
    const unsigned char* frame;          // (H, W, 3) BGR
    void* resized;                       // (Hn, Wn, 3) RGB
    const int *row_at, *column_at;       // (Hn, row_taps), (Wn, column_taps)
    const void *row_weights, *column_weights;  // of the same shapes: single precision, or units of 1 / 2048
    int source_w, network_h, network_w, row_taps, column_taps;
};

// Neither rounded nor clipped.
__device__ __forceinline__ void finish(float sum, float& out) { out = sum; }
__device__ __forceinline__ void finish(float sum, unsigned char& out) {
    out = static_cast<unsigned char>(fminf(fmaxf(rintf(sum), 0.0f), 255.0f));
}
// Rounded once, weights of 11 bits twice: as OpenCV.
__device__ __forceinline__ void finish(int sum, unsigned char& out) {
    out = static_cast<unsigned char>(min(max((sum + (1 << 21)) >> 22, 0), 255));
}

template <typename Sum, typename Weight, typename Out>
__device__ __forceinline__ void prepare_frame(const FrameParams& p) {
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.network_w || y >= p.network_h) return;
    const int *rows = p.row_at + y * p.row_taps, *columns = p.column_at + x * p.column_taps;
    const Weight* row_weights = static_cast<const Weight*>(p.row_weights) + y * p.row_taps;
    const Weight* column_weights = static_cast<const Weight*>(p.column_weights) + x * p.column_taps;
    Sum sums[3] = {0, 0, 0};
    for (int i = 0; i < p.row_taps; ++i) {
        const unsigned char* row = p.frame + static_cast<size_t>(rows[i]) * p.source_w * 3;
        Sum across[3] = {0, 0, 0};
        for (int j = 0; j < p.column_taps; ++j) {
            const unsigned char* pixel = row + columns[j] * 3;
            for (int c = 0; c < 3; ++c) across[c] += pixel[c] * column_weights[j];
        }
        for (int c = 0; c < 3; ++c) sums[c] += across[c] * row_weights[i];
    }
    Out* out = static_cast<Out*>(p.resized) + (static_cast<size_t>(y) * p.network_w + x) * 3;
    for (int c = 0; c < 3; ++c) finish(sums[c], out[2 - c]);
}

extern "C" __global__ void __launch_bounds__(256) prepare_frame_exact(const FrameParams p) {
    prepare_frame<float, float, float>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_frame_rounded(const FrameParams p) {
    prepare_frame<float, float, unsigned char>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_frame_fixed_point(const FrameParams p) {
    prepare_frame<int, short, unsigned char>(p);
}
