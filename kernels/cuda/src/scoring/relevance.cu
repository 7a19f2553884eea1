// Which queries the relevance needs, and what their masses add up to; all decided on the device.
#include "common.cuh"

constexpr int kPickers = 256;
constexpr double kNegligible = 1e-6;  // share of the foreground that the queries left out may hold together

struct PickParams {
    const float* foreground;  // (N)
    int* picked;              // (N): indices of the queries to score, ascending
    int* number;              // how many
    int* fault;
    int tokens;
};

// One block: leaves out each query with less than 1e-6 of the mean foreground, so under 1e-6 of it in all. Every
// thread takes neighbouring tokens, and puts its own behind those of the threads before it.
extern "C" __global__ void __launch_bounds__(kPickers) pick_queries(const PickParams p) {
    __shared__ double sums[kPickers];
    __shared__ int ends[kPickers];
    const int thread = static_cast<int>(threadIdx.x), each = (p.tokens + kPickers - 1) / kPickers;
    const int begin = min(thread * each, p.tokens), end = min(begin + each, p.tokens);
    double sum = 0.0;
    for (int n = begin; n < end; ++n) {
        sum += p.foreground[n];
        if (!(p.foreground[n] >= 0.0f) || !isfinite(p.foreground[n])) report(p.fault, 1.0f, kFaultInForeground);
    }
    sums[thread] = sum;
    for (int half = kPickers / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) sums[thread] += sums[thread + half];
    }
    __syncthreads();
    const double negligible = kNegligible * sums[0] / p.tokens;
    int count = 0;
    for (int n = begin; n < end; ++n) count += p.foreground[n] > negligible;
    ends[thread] = count;
    for (int step = 1; step < kPickers; step *= 2) {
        __syncthreads();
        const int before = thread >= step ? ends[thread - step] : 0;
        __syncthreads();
        ends[thread] += before;
    }
    int at = ends[thread] - count;
    for (int n = begin; n < end; ++n)
        if (p.foreground[n] > negligible) p.picked[at++] = n;
    if (thread == kPickers - 1) *p.number = ends[thread];
}

struct WeighParams {
    const float* masses;      // (count, T)
    const float* foreground;  // (N)
    const int* picked;        // (count): the queries that the masses are of; null, all
    const int* number;        // how many of them there are, at most `count`; null, `count`
    double* relevance;        // (T), sums to 1; uniform without foreground
    int* fault;
    int count, slots;
};

// One block, a warp for every 32nd query and a lane for each slot: foreground-weighted masses and their shares.
extern "C" __global__ void __launch_bounds__(1024) weigh_masses(const WeighParams p) {
    __shared__ double parts[32][32];
    const int slot = static_cast<int>(threadIdx.x), row = static_cast<int>(threadIdx.y);
    const int number = p.number != nullptr ? *p.number : p.count;
    double sum = 0.0;
    for (int at = row; at < number; at += 32) {
        const float weight = p.foreground[p.picked != nullptr ? p.picked[at] : at];
        if (!(weight >= 0.0f) || !isfinite(weight)) report(p.fault, 1.0f, kFaultInForeground);
        if (slot < p.slots) sum += static_cast<double>(weight) * p.masses[static_cast<size_t>(at) * p.slots + slot];
    }
    parts[row][slot] = sum;
    __syncthreads();
    if (row != 0) return;
    for (int i = 1; i < 32; ++i) sum += parts[i][slot];
    double total = sum;
    for (int step = 16; step > 0; step /= 2) total += __shfl_xor_sync(kAllLanes, total, step);
    if (slot < p.slots) p.relevance[slot] = total > 0.0 ? sum / total : 1.0 / p.slots;
}
