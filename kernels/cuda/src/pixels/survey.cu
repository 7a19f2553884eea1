// What a label map shows of every label: area, box, and how sure the network is where its logits lie.
#include "common.cuh"

// A label's numbers; sums are of whole numbers, so that any order of threads gives the same.
struct LabelSurvey {
    unsigned long long area;
    long long x0, y0, x1, y1;                // x1 and y1 exclusive
    unsigned long long places, probability;  // places of the logits, and a sum over them in units of 2^-32
};

struct SurveyParams {
    const void* logits;           // (G, C, h4, w4)
    const unsigned char* active;  // (G, C)
    const int *rows, *columns;    // (h4), (w4): the pixel nearest to each place of the logits
    const unsigned char* source;  // (H, W), 10 * g + k
    LabelSurvey* out;             // (labels)
    int channels, in_h, in_w, source_h, source_w, labels;
};

constexpr int kLabels = 256, kPixelsOfThread = 16;

extern "C" __global__ void __launch_bounds__(256) clear_survey(const SurveyParams p) {
    const int label = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (label < p.labels) p.out[label] = {0, p.source_w, p.source_h, 0, 0, 0, 0};
}

// One thread 16 pixels of a row, as runs of equal labels; a block gathers in shared memory.
extern "C" __global__ void __launch_bounds__(256) survey_pixels(const SurveyParams p) {
    __shared__ int areas[kLabels], x0[kLabels], y0[kLabels], x1[kLabels], y1[kLabels];
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    const int threads = static_cast<int>(blockDim.x * blockDim.y);
    for (int i = thread; i < p.labels; i += threads) {
        areas[i] = x1[i] = y1[i] = 0;
        x0[i] = p.source_w;
        y0[i] = p.source_h;
    }
    __syncthreads();
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    const int first = kPixelsOfThread * static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (y < p.source_h) {
        const unsigned char* row = p.source + static_cast<size_t>(y) * p.source_w;
        const int last = min(first + kPixelsOfThread, p.source_w);
        for (int x = first; x < last;) {
            const int label = row[x], begin = x;
            while (x < last && row[x] == label) ++x;
            if (label == 0 || label >= p.labels) continue;
            atomicAdd(&areas[label], x - begin);
            atomicMin(&x0[label], begin);
            atomicMin(&y0[label], y);
            atomicMax(&x1[label], x);
            atomicMax(&y1[label], y + 1);
        }
    }
    __syncthreads();
    for (int i = thread; i < p.labels; i += threads) {
        if (areas[i] == 0) continue;
        atomicAdd(&p.out[i].area, static_cast<unsigned long long>(areas[i]));
        atomicMin(&p.out[i].x0, static_cast<long long>(x0[i]));
        atomicMin(&p.out[i].y0, static_cast<long long>(y0[i]));
        atomicMax(&p.out[i].x1, static_cast<long long>(x1[i]));
        atomicMax(&p.out[i].y1, static_cast<long long>(y1[i]));
    }
}

// The probability that the softmax of its group gives a label.
template <typename In>
__device__ __forceinline__ float probability_of(const SurveyParams& p, int label, int place) {
    const int g = (label - 1) / 10, channel = label - 10 * g;
    const size_t plane = static_cast<size_t>(p.in_h) * p.in_w;
    const In* logits = static_cast<const In*>(p.logits) + static_cast<size_t>(g) * p.channels * plane + place;
    const unsigned char* active = p.active + static_cast<size_t>(g) * p.channels;
    if (!active[channel]) return 0.0f;
    float peak = to_float(logits[0]), whole = 0.0f;
    for (int c = 1; c < p.channels; ++c)
        if (active[c]) peak = fmaxf(peak, to_float(logits[c * plane]));
    for (int c = 0; c < p.channels; ++c)
        if (active[c]) whole += expf(to_float(logits[c * plane]) - peak);
    return expf(to_float(logits[channel * plane]) - peak) / whole;
}

// One thread a place of the logits; a block gathers in shared memory.
template <typename In>
__device__ __forceinline__ void survey_places(const SurveyParams& p) {
    __shared__ int places[kLabels];
    __shared__ unsigned long long sums[kLabels];
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    const int threads = static_cast<int>(blockDim.x * blockDim.y);
    for (int i = thread; i < p.labels; i += threads) {
        places[i] = 0;
        sums[i] = 0;
    }
    __syncthreads();
    const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    if (x < p.in_w && y < p.in_h) {
        const int label = p.source[static_cast<size_t>(p.rows[y]) * p.source_w + p.columns[x]];
        if (label > 0 && label < p.labels) {
            const double sum = 4294967296.0 * probability_of<In>(p, label, y * p.in_w + x);
            atomicAdd(&places[label], 1);
            atomicAdd(&sums[label], static_cast<unsigned long long>(sum + 0.5));
        }
    }
    __syncthreads();
    for (int i = thread; i < p.labels; i += threads) {
        if (places[i] == 0) continue;
        atomicAdd(&p.out[i].places, static_cast<unsigned long long>(places[i]));
        atomicAdd(&p.out[i].probability, sums[i]);
    }
}

extern "C" __global__ void __launch_bounds__(256) survey_places_f32(const SurveyParams p) {
    survey_places<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) survey_places_f16(const SurveyParams p) {
    survey_places<__half>(p);
}
