// Identity tokens: a strided convolution of a label map's one-hot planes, by runs of equal labels.
#include "common.cuh"

constexpr int kIdentityStride = 16;
constexpr int kMostTaps = 32 * 32;  // of a filter
constexpr int kIdentityThreads = 128;

struct IdentityParams {
    const float* table;  // (labels, side, side + 1, C): running sums of the filters along x
    const float* bias;   // (C)
    const unsigned char* label;  // (H, W)
    float* out;                  // (h, w, C)
    int labels, side, padding, channels, height, width;
};

// A block takes 128 channels of one token: its patch of labels lies in shared memory, and each run of equal labels
// in a row of the filter is a difference of two running sums. Labels from `labels` on, and what lies outside the
// map, add nothing.
extern "C" __global__ void __launch_bounds__(kIdentityThreads) identity_tokens(const IdentityParams p) {
    __shared__ unsigned char patch[kMostTaps];
    const int token_x = static_cast<int>(blockIdx.x), token_y = static_cast<int>(blockIdx.y);
    const int thread = static_cast<int>(threadIdx.x), side = p.side;
    const int x0 = token_x * kIdentityStride - p.padding, y0 = token_y * kIdentityStride - p.padding;
    for (int i = thread; i < side * side; i += kIdentityThreads) {
        const int x = x0 + i % side, y = y0 + i / side;
        const bool inside = x >= 0 && y >= 0 && x < p.width && y < p.height;
        patch[i] = inside ? p.label[static_cast<size_t>(y) * p.width + x] : static_cast<unsigned char>(255);
    }
    __syncthreads();
    const int channel = static_cast<int>(blockIdx.z) * kIdentityThreads + thread;
    if (channel >= p.channels) return;
    float sum = p.bias[channel];
    for (int ky = 0; ky < side; ++ky) {
        for (int kx = 0; kx < side;) {
            const int first = kx, label = patch[ky * side + kx];
            while (kx < side && patch[ky * side + kx] == label) ++kx;
            if (label >= p.labels) continue;
            const float* sums = p.table + static_cast<size_t>(label * side + ky) * (side + 1) * p.channels + channel;
            sum += sums[static_cast<size_t>(kx) * p.channels] - sums[static_cast<size_t>(first) * p.channels];
        }
    }
    p.out[(static_cast<size_t>(token_y) * gridDim.x + token_x) * p.channels + channel] = sum;
}
