// How likely each token is not background. One thread a token.
#include "common.cuh"

struct ForegroundParams {
    const void* logits;           // (C, 4h-3, 4w-3)
    const unsigned char* active;  // (C)
    float* foreground;            // (h * w)
    int* fault;
    int channels, height, width;  // of the token grid
};

// 1 - softmax(every fourth logit)[background].
template <typename In>
__device__ __forceinline__ void foreground(const ForegroundParams& p) {
    const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (at >= p.height * p.width) return;
    const int in_w = 4 * p.width - 3, y = at / p.width * 4, x = at % p.width * 4;
    const In* logits = static_cast<const In*>(p.logits) + static_cast<size_t>(y) * in_w + x;
    const size_t plane = static_cast<size_t>(4 * p.height - 3) * in_w;
    float peak = -CUDART_INF_F, bad = 0.0f, rest = 0.0f;
    for (int c = 0; c < p.channels; ++c) {
        if (!p.active[c]) continue;
        peak = fmaxf(peak, to_float(logits[c * plane]));
        bad += poison(to_float(logits[c * plane]));
    }
    for (int c = 1; c < p.channels; ++c)
        if (p.active[c]) rest += expf(to_float(logits[c * plane]) - peak);
    p.foreground[at] = rest / (rest + expf(to_float(logits[0]) - peak));
    report(p.fault, bad, kFaultInLogits);
}

extern "C" __global__ void __launch_bounds__(128) foreground_f32(const ForegroundParams p) { foreground<float>(p); }
extern "C" __global__ void __launch_bounds__(128) foreground_f16(const ForegroundParams p) { foreground<__half>(p); }
