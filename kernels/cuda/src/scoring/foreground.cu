// How likely each token is not background. One thread a token.
#include "common.cuh"

struct ForegroundParams {
    const void* logits;           // (C, 4h-3, 4w-3), or (C, 4h, 4w) without aligned corners
    const unsigned char* active;  // (C)
    float* foreground;            // (h * w)
    int* fault;
    int channels, height, width;  // of the token grid
    int align_corners;
};

// What a token sees of one channel: every fourth logit, or the mean of the four around the token's centre.
template <typename In>
__device__ __forceinline__ float at_token(const In* logit, int in_w, bool align_corners) {
    if (align_corners) return to_float(logit[0]);
    const In* below = logit + in_w;
    return 0.25f * (to_float(logit[0]) + to_float(below[0]) + to_float(logit[1]) + to_float(below[1]));
}

// 1 - softmax(logits at the tokens)[background].
template <typename In>
__device__ __forceinline__ void foreground(const ForegroundParams& p) {
    const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (at >= p.height * p.width) return;
    const bool aligned = p.align_corners != 0;
    const int less = aligned ? 3 : 0, first = aligned ? 0 : 1;
    const int in_w = 4 * p.width - less, y = at / p.width * 4 + first, x = at % p.width * 4 + first;
    const In* logits = static_cast<const In*>(p.logits) + static_cast<size_t>(y) * in_w + x;
    const size_t plane = static_cast<size_t>(4 * p.height - less) * in_w;
    float peak = -CUDART_INF_F, bad = 0.0f, rest = 0.0f;
    for (int c = 0; c < p.channels; ++c) {
        if (!p.active[c]) continue;
        const float value = at_token(logits + c * plane, in_w, aligned);
        peak = fmaxf(peak, value);
        bad += poison(value);
    }
    for (int c = 1; c < p.channels; ++c)
        if (p.active[c]) rest += expf(at_token(logits + c * plane, in_w, aligned) - peak);
    p.foreground[at] = rest / (rest + expf(at_token(logits, in_w, aligned) - peak));
    report(p.fault, bad, kFaultInLogits);
}

extern "C" __global__ void __launch_bounds__(128) foreground_f32(const ForegroundParams p) { foreground<float>(p); }
extern "C" __global__ void __launch_bounds__(128) foreground_f16(const ForegroundParams p) { foreground<__half>(p); }
