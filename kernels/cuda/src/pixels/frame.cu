// Frames to network size. One thread a pixel.
#include "common.cuh"

struct Taps {
    int first;       // source index of the first of four taps, may lie outside
    short weight[4];  // in units of 1 / 2048
};

struct FrameParams {
    const unsigned char* frame;  // (H, W, 3) BGR
    unsigned char* resized;      // (Hn, Wn, 3) RGB
    const Taps* rows;            // (Hn)
    const Taps* columns;         // (Wn)
    int source_h, source_w, network_h, network_w;
};

// Bicubic in OpenCV's fixed point: weights of 11 bits, borders repeated, rounded once.
extern "C" __global__ void __launch_bounds__(256) prepare_frame(const FrameParams p) {
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.network_w || y >= p.network_h) return;
    const Taps row = p.rows[y], column = p.columns[x];
    int sums[3] = {0, 0, 0};
    for (int i = 0; i < 4; ++i) {
        const int from = min(max(row.first + i, 0), p.source_h - 1);
        int across[3] = {0, 0, 0};
        for (int j = 0; j < 4; ++j) {
            const int at = min(max(column.first + j, 0), p.source_w - 1);
            const unsigned char* pixel = p.frame + (static_cast<size_t>(from) * p.source_w + at) * 3;
            for (int c = 0; c < 3; ++c) across[c] += pixel[c] * column.weight[j];
        }
        for (int c = 0; c < 3; ++c) sums[c] += across[c] * row.weight[i];
    }
    unsigned char* out = p.resized + (static_cast<size_t>(y) * p.network_w + x) * 3;
    for (int c = 0; c < 3; ++c)
        out[2 - c] = static_cast<unsigned char>(min(max((sums[c] + (1 << 21)) >> 22, 0), 255));
}
