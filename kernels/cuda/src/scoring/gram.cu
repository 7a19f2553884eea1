// Redundancy: per-channel dot products of the keys, kept from append to append, and their cosines.
#include "common.cuh"

constexpr int kAcross = 32, kDown = 8;  // a block takes 32 channels and every eighth token a row of threads

struct GramParams {
    const void* keys;  // (T, N, D)
    double* sums;      // (capacity, D)
    double* dots;      // (capacity, capacity, D)
    int* fault;
    int slot, capacity, tokens, channels;
};

// Row and column `slot` of the per-channel dot products, and the slot's channel sums; block y is the other slot.
template <typename In>
__device__ __forceinline__ void key_gram(const GramParams& p) {
    __shared__ double products[kDown][kAcross], totals[kDown][kAcross];
    const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
    const int channel = static_cast<int>(blockIdx.x) * kAcross + x, other = static_cast<int>(blockIdx.y);
    const size_t plane = static_cast<size_t>(p.tokens) * p.channels;
    const In* fresh = static_cast<const In*>(p.keys) + p.slot * plane;
    const In* held = static_cast<const In*>(p.keys) + other * plane;
    double product = 0.0, total = 0.0;
    for (int n = y; channel < p.channels && n < p.tokens; n += kDown) {
        const size_t at = static_cast<size_t>(n) * p.channels + channel;
        const double value = to_float(fresh[at]);
        product += value * to_float(held[at]);
        total += value;
    }
    products[y][x] = product;
    totals[y][x] = total;
    __syncthreads();
    if (y != 0 || channel >= p.channels) return;
    for (int i = 1; i < kDown; ++i) {
        product += products[i][x];
        total += totals[i][x];
    }
    p.dots[(static_cast<size_t>(p.slot) * p.capacity + other) * p.channels + channel] = product;
    p.dots[(static_cast<size_t>(other) * p.capacity + p.slot) * p.channels + channel] = product;
    if (other != p.slot) return;
    p.sums[static_cast<size_t>(p.slot) * p.channels + channel] = total;
    if (!isfinite(product)) report(p.fault, 1.0f, kFaultInGram);
}

extern "C" __global__ void __launch_bounds__(kAcross* kDown) key_gram_f32(const GramParams p) { key_gram<float>(p); }
extern "C" __global__ void __launch_bounds__(kAcross* kDown) key_gram_f16(const GramParams p) { key_gram<__half>(p); }

struct CosineParams {
    const double* sums;  // (capacity, D)
    const double* dots;  // (capacity, capacity, D)
    const float* rows;   // (T, D)
    double* similarity;  // (T, T)
    int slots, capacity, tokens, channels;
};

// Dot product of channel c of slots i and j once their temporal rows are added.
__device__ __forceinline__ double dot_with_rows(const CosineParams& p, int i, int j, int c) {
    const double at_i = p.rows[i * p.channels + c], at_j = p.rows[j * p.channels + c];
    return p.dots[(static_cast<size_t>(i) * p.capacity + j) * p.channels + c] + at_j * p.sums[i * p.channels + c] +
           at_i * p.sums[j * p.channels + c] + p.tokens * at_i * at_j;
}

// One block a pair of slots: sum over channels of the cosine over tokens.
extern "C" __global__ void __launch_bounds__(128) slot_cosines(const CosineParams p) {
    __shared__ double parts[128];
    const int i = static_cast<int>(blockIdx.x), j = static_cast<int>(blockIdx.y), thread = static_cast<int>(threadIdx.x);
    double sum = 0.0;
    for (int c = thread; c < p.channels; c += 128) {
        const double norm_i = fmax(sqrt(fmax(dot_with_rows(p, i, i, c), 0.0)), 1e-12);
        const double norm_j = fmax(sqrt(fmax(dot_with_rows(p, j, j, c), 0.0)), 1e-12);
        sum += dot_with_rows(p, i, j, c) / (norm_i * norm_j);
    }
    parts[thread] = sum;
    for (int half = 64; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) parts[thread] += parts[thread + half];
    }
    if (thread == 0) p.similarity[i * p.slots + j] = parts[0];
}

struct ShareParams {
    const double* similarity;  // (T, T)
    double* redundancy;        // (T), rounded to 4 decimals
    int slots;
};

// One warp: each slot's share of the similarity of different slots.
extern "C" __global__ void __launch_bounds__(32) redundancy_shares(const ShareParams p) {
    const int lane = static_cast<int>(threadIdx.x);
    double own = 0.0;
    for (int j = 0; lane < p.slots && j < p.slots; ++j)
        if (j != lane) own += p.similarity[lane * p.slots + j];
    double total = own;
    for (int step = 16; step > 0; step /= 2) total += __shfl_xor_sync(kAllLanes, total, step);
    if (lane < p.slots) p.redundancy[lane] = total == 0.0 ? 0.0 : rint(own / total * 1e4) / 1e4;
}
