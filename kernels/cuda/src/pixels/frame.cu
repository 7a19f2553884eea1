// Frames to network size by the taps of each axis. One thread a pixel.
#include "common.cuh"

struct FrameParams {
    const unsigned char* frame;          // (H, W, 3) BGR
    void* resized;                       // (Hn, Wn, 3) RGB
    const int *row_at, *column_at;       // (Hn, row_taps), (Wn, column_taps)
    const void *row_weights, *column_weights;  // of the same shapes: single precision, or units of 1 / 2048
    int source_w, network_h, network_w, row_taps, column_taps;

    struct Row {
        const unsigned char* pixels;

        __device__ __forceinline__ void read(int x, int (&bgr)[3]) const {
            for (int c = 0; c < 3; ++c) bgr[c] = pixels[x * 3 + c];
        }
    };
    __device__ __forceinline__ Row row(int y) const { return {frame + static_cast<size_t>(y) * source_w * 3}; }
};

// A picture as video decoders leave it: a byte of brightness a pixel, a pair of colours for two by two.
struct Nv12Params {
    const unsigned char *luma, *chroma;  // (H, luma_pitch), (H / 2, chroma_pitch)
    void* resized;                       // as above, and what follows
    const int *row_at, *column_at;
    const void *row_weights, *column_weights;
    float black, gain, red_v, green_u, green_v, blue_u;  // R = gain (Y - black) + red_v (V - 128), and so on
    int luma_pitch, chroma_pitch, source_w, network_h, network_w, row_taps, column_taps;

    // A pair's colours lie a quarter of the way to the next pair's; those of even rows half-way to the pair above:
    // as FFmpeg has them of video whose chroma lies left.
    struct Row {
        const unsigned char *luma, *upper, *lower;
        const Nv12Params& of;

        __device__ __forceinline__ void read(int x, int (&bgr)[3]) const {
            const int at = x & ~1, next = min(at + 2, of.source_w - 2);
            const float y = of.gain * (luma[x] - of.black);
            const float u = colour(at, next), v = colour(at + 1, next + 1);
            bgr[0] = level(y + of.blue_u * u);
            bgr[1] = level(y + of.green_u * u + of.green_v * v);
            bgr[2] = level(y + of.red_v * v);
        }
        __device__ __forceinline__ float colour(int at, int next) const {
            return 0.375f * (upper[at] + lower[at]) + 0.125f * (upper[next] + lower[next]) - 128.0f;
        }
        static __device__ __forceinline__ int level(float value) {
            return static_cast<int>(fminf(fmaxf(rintf(value), 0.0f), 255.0f));
        }
    };
    __device__ __forceinline__ Row row(int y) const {
        const int below = y / 2, above = y & 1 ? below : max(below - 1, 0);
        const auto colours = [&](int at) { return chroma + static_cast<size_t>(at) * chroma_pitch; };
        return {luma + static_cast<size_t>(y) * luma_pitch, colours(above), colours(below), *this};
    }
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

template <typename Sum, typename Weight, typename Out, typename Params>
__device__ __forceinline__ void prepare(const Params& p) {
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.network_w || y >= p.network_h) return;
    const int *rows = p.row_at + y * p.row_taps, *columns = p.column_at + x * p.column_taps;
    const Weight* row_weights = static_cast<const Weight*>(p.row_weights) + y * p.row_taps;
    const Weight* column_weights = static_cast<const Weight*>(p.column_weights) + x * p.column_taps;
    Sum sums[3] = {0, 0, 0};
    for (int i = 0; i < p.row_taps; ++i) {
        const auto row = p.row(rows[i]);
        Sum across[3] = {0, 0, 0};
        for (int j = 0; j < p.column_taps; ++j) {
            int bgr[3];
            row.read(columns[j], bgr);
            for (int c = 0; c < 3; ++c) across[c] += bgr[c] * column_weights[j];
        }
        for (int c = 0; c < 3; ++c) sums[c] += across[c] * row_weights[i];
    }
    Out* out = static_cast<Out*>(p.resized) + (static_cast<size_t>(y) * p.network_w + x) * 3;
    for (int c = 0; c < 3; ++c) finish(sums[c], out[2 - c]);
}

extern "C" __global__ void __launch_bounds__(256) prepare_frame_exact(const FrameParams p) {
    prepare<float, float, float>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_frame_rounded(const FrameParams p) {
    prepare<float, float, unsigned char>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_frame_fixed_point(const FrameParams p) {
    prepare<int, short, unsigned char>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_nv12_exact(const Nv12Params p) {
    prepare<float, float, float>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_nv12_rounded(const Nv12Params p) {
    prepare<float, float, unsigned char>(p);
}
extern "C" __global__ void __launch_bounds__(256) prepare_nv12_fixed_point(const Nv12Params p) {
    prepare<int, short, unsigned char>(p);
}
