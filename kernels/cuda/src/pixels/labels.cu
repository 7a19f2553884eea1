// Logits to label maps, upsampling fused with the decision. One thread a pixel.
#include "common.cuh"

struct LabelParams {
    const void* logits;           // (G, C, h4, w4)
    const unsigned char* active;  // (G, C)
    unsigned char* source;        // (H, W)
    int* fault;
    int groups, channels, in_h, in_w, source_h, source_w;
    int align_corners;  // corners of both grids on each other, or else their borders (half-pixel centres)
};

// The four corners of a source pixel in the stride-4 logits, in exact integer arithmetic.
struct Corners {
    int low, right, down;  // offset of the upper left one, and the steps to its neighbours
    float x, y;            // weights of the neighbours
};

__device__ __forceinline__ int low_tap(bool align_corners, int at, int outputs, int inputs, float& weight) {
    long long position = static_cast<long long>(at) * (inputs - 1);
    int unit = outputs > 1 ? outputs - 1 : 1;
    if (!align_corners) {
        unit = 2 * outputs;
        position = static_cast<long long>(2 * at + 1) * inputs - outputs;
        if (position < 0) position = 0;
    }
    const int low = static_cast<int>(position / unit);
    weight = static_cast<float>(position - static_cast<long long>(low) * unit) / static_cast<float>(unit);
    return low;
}

__device__ __forceinline__ Corners corners_of(const LabelParams& p, int x, int y) {
    Corners at;
    const bool aligned = p.align_corners != 0;
    const int column = low_tap(aligned, x, p.source_w, p.in_w, at.x), row = low_tap(aligned, y, p.source_h, p.in_h, at.y);
    at.low = row * p.in_w + column;
    at.right = column + 1 < p.in_w ? 1 : 0;
    at.down = row + 1 < p.in_h ? p.in_w : 0;
    return at;
}

template <typename In>
__device__ __forceinline__ float sample(const In* plane, const Corners& at) {
    const In* p = plane + at.low;
    const float upper_left = to_float(p[0]), upper_right = to_float(p[at.right]);
    const float lower_left = to_float(p[at.down]), lower_right = to_float(p[at.down + at.right]);
    const float left = fmaf(at.y, lower_left - upper_left, upper_left);
    const float right = fmaf(at.y, lower_right - upper_right, upper_right);
    return fmaf(at.x, right - left, left);
}

template <typename In>
__device__ __forceinline__ int decide_one(const LabelParams& p, const In* logits, const Corners& at, float& bad) {
    const size_t plane = static_cast<size_t>(p.in_h) * p.in_w;
    float best = sample(logits, at);
    bad += poison(best);
    int label = 0;
    for (int c = 1; c < p.channels; ++c) {
        if (!p.active[c]) continue;
        const float value = sample(logits + c * plane, at);
        bad += poison(value);
        if (value > best) {
            best = value;
            label = c;
        }
    }
    return label;
}

// Softmax within each group, background the product of backgrounds, the first maximum of all.
template <typename In>
__device__ __forceinline__ int decide_merged(const LabelParams& p, const In* logits, const Corners& at, float& bad) {
    const size_t plane = static_cast<size_t>(p.in_h) * p.in_w;
    const float least = 1e-5f, most = 1.0f - 1e-5f;
    float background = 1.0f, best = -1.0f;
    int label = 0;
    for (int g = 0; g < p.groups; ++g) {
        const unsigned char* active = p.active + g * p.channels;
        const In* planes = logits + static_cast<size_t>(g) * p.channels * plane;
        const float first = sample(planes, at);
        float peak = first, top = -CUDART_INF_F, whole = 0.0f;
        int identity = 0;
        for (int c = 1; c < p.channels; ++c) {
            if (!active[c]) continue;
            const float value = sample(planes + c * plane, at);
            bad += poison(value);
            if (value > top) {
                top = value;
                identity = c;
            }
        }
        bad += poison(first);
        peak = fmaxf(peak, top);
        for (int c = 0; c < p.channels; ++c)
            if (active[c]) whole += expf(sample(planes + c * plane, at) - peak);
        background *= expf(first - peak) / whole;
        const float probability = fminf(fmaxf(expf(top - peak) / whole, least), most);
        if (identity > 0 && probability > best) {
            best = probability;
            label = 10 * g + identity;
        }
    }
    return fminf(fmaxf(background, least), most) >= best ? 0 : label;
}

template <typename In>
__device__ __forceinline__ void label_map(const LabelParams& p) {
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.source_w || y >= p.source_h) return;
    const Corners at = corners_of(p, x, y);
    const In* logits = static_cast<const In*>(p.logits);
    float bad = 0.0f;
    const int label = p.groups == 1 ? decide_one(p, logits, at, bad) : decide_merged(p, logits, at, bad);
    p.source[static_cast<size_t>(y) * p.source_w + x] = static_cast<unsigned char>(label);
    report(p.fault, bad, kFaultInLogits);
}

extern "C" __global__ void __launch_bounds__(256) label_map_f32(const LabelParams p) {
    label_map<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) label_map_f16(const LabelParams p) {
    label_map<__half>(p);
}

struct SplitParams {
    const unsigned char* source;  // (H, W)
    unsigned char* network;       // (G, Hn, Wn)
    double step_y, step_x;        // source pixels a network pixel
    int groups, source_h, source_w, network_h, network_w;
};

// Nearest (floor) reduction of the label map, each group keeping its own ids.
extern "C" __global__ void __launch_bounds__(256) split_groups(const SplitParams p) {
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.network_w || y >= p.network_h) return;
    const int row = min(static_cast<int>(y * p.step_y), p.source_h - 1);
    const int column = min(static_cast<int>(x * p.step_x), p.source_w - 1);
    const int label = p.source[static_cast<size_t>(row) * p.source_w + column];
    for (int g = 0; g < p.groups; ++g) {
        const int own = label - 10 * g;
        const size_t out = (static_cast<size_t>(g) * p.network_h + y) * p.network_w + x;
        p.network[out] = static_cast<unsigned char>(own > 0 && own <= 10 ? own : 0);
    }
}
