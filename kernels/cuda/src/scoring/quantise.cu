// Steps and zero points of the quantised scoring attention (docs/spec/ermu.md, SQA), found on the device.
#include "common.cuh"

constexpr int kRangeAcross = 32, kRangeDown = 8;  // 32 channels a block, every eighth token a row of threads
constexpr int kQuantisers = 256;

struct RangeParams {
    const void* query;  // (N, D), statistics number 0
    const void* keys;   // (T, N, D), statistics 1..T
    float* sum;         // (1 + T, D)
    float* low;
    float* high;
    int tokens, channels;
};

// Sum, least and greatest of each channel over the tokens.
template <typename In>
__device__ __forceinline__ void channel_range(const RangeParams& p) {
    __shared__ double sums[kRangeDown][kRangeAcross];
    __shared__ float lows[kRangeDown][kRangeAcross], highs[kRangeDown][kRangeAcross];
    const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
    const int channel = static_cast<int>(blockIdx.x) * kRangeAcross + x, which = static_cast<int>(blockIdx.y);
    const size_t plane = static_cast<size_t>(p.tokens) * p.channels;
    const In* base = which == 0 ? static_cast<const In*>(p.query) : static_cast<const In*>(p.keys) + (which - 1) * plane;
    double sum = 0.0;
    float low = CUDART_INF_F, high = -CUDART_INF_F;
    for (int n = y; channel < p.channels && n < p.tokens; n += kRangeDown) {
        const float value = to_float(base[static_cast<size_t>(n) * p.channels + channel]);
        sum += value;
        low = fminf(low, value);
        high = fmaxf(high, value);
    }
    sums[y][x] = sum;
    lows[y][x] = low;
    highs[y][x] = high;
    __syncthreads();
    if (y != 0 || channel >= p.channels) return;
    for (int i = 1; i < kRangeDown; ++i) {
        sum += sums[i][x];
        low = fminf(low, lows[i][x]);
        high = fmaxf(high, highs[i][x]);
    }
    const size_t out = static_cast<size_t>(which) * p.channels + channel;
    p.sum[out] = static_cast<float>(sum);
    p.low[out] = low;
    p.high[out] = high;
}

extern "C" __global__ void __launch_bounds__(kRangeAcross* kRangeDown) channel_range_f32(const RangeParams p) {
    channel_range<float>(p);
}
extern "C" __global__ void __launch_bounds__(kRangeAcross* kRangeDown) channel_range_f16(const RangeParams p) {
    channel_range<__half>(p);
}

struct QuantiseParams {
    const float* sum;   // (1 + T, D) of the query and of each slot, as `channel_range` leaves them
    const float* low;   // (1 + T, D)
    const float* high;  // (1 + T, D)
    const float* rows;  // (T, D)
    float* shift;       // (T, D): the rows less the mean key
    int* zeros;         // zero points of queries and keys
    int* fault;
    double scale, step;  // 1 / sqrt(d), and of the codes
    int tokens, slots, channels;
};

// The zero point that centres [low, high] in the 256 levels.
__device__ __forceinline__ int zero_point(double low, double high, double step) {
    return -static_cast<int>(rint((low + high) / (2.0 * step)));
}

// One block: the mean key of each channel, what that leaves of the rows, and both zero points.
extern "C" __global__ void __launch_bounds__(kQuantisers) quantise(const QuantiseParams p) {
    __shared__ double least[2][kQuantisers], most[2][kQuantisers];  // of queries and keys
    const int thread = static_cast<int>(threadIdx.x), D = p.channels;
    double low[2] = {CUDART_INF, CUDART_INF}, high[2] = {-CUDART_INF, -CUDART_INF};
    for (int c = thread; c < D; c += kQuantisers) {
        double mean = 0.0;
        for (int t = 0; t < p.slots; ++t) mean += static_cast<double>(p.sum[(1 + t) * D + c]) / p.tokens + p.rows[t * D + c];
        mean /= p.slots;
        if (!isfinite(mean) || !isfinite(p.sum[c])) report(p.fault, 1.0f, kFaultInScoring);
        low[0] = fmin(low[0], static_cast<double>(p.low[c]));
        high[0] = fmax(high[0], static_cast<double>(p.high[c]));
        for (int t = 0; t < p.slots; ++t) {
            const double added = p.rows[t * D + c] - mean;
            p.shift[t * D + c] = static_cast<float>(added);
            low[1] = fmin(low[1], p.low[(1 + t) * D + c] + added);
            high[1] = fmax(high[1], p.high[(1 + t) * D + c] + added);
        }
    }
    for (int i = 0; i < 2; ++i) {
        least[i][thread] = low[i];
        most[i][thread] = high[i];
    }
    for (int half = kQuantisers / 2; half > 0; half /= 2) {
        __syncthreads();
        for (int i = 0; i < 2 && thread < half; ++i) {
            least[i][thread] = fmin(least[i][thread], least[i][thread + half]);
            most[i][thread] = fmax(most[i][thread], most[i][thread + half]);
        }
    }
    if (thread != 0) return;
    p.zeros[0] = zero_point(least[0][0] * p.scale, most[0][0] * p.scale, p.step);
    p.zeros[1] = zero_point(least[1][0], most[1][0], p.step);
}
