// Frame masses: attention mass that each query gives to each slot, without the attention.
//
// `slot_sums_*`: one block takes 64 queries of one head over all keys of one slot. Tiles of 64 queries and 64 keys
// stand transposed in shared memory; a thread multiplies 8 queries by 4 keys in registers (32 products for 3
// 16-byte loads) and keeps, per query, a running peak and its own part of the running sum (online softmax).
// `combine_masses` puts the slots of each query together.
#include "common.cuh"

constexpr int kTile = 64;             // queries and keys in a block's tile
constexpr int kPitch = kTile + 4;     // keeps rows 16-byte aligned and spreads them over the banks
constexpr int kDepth = 32;            // channels in shared memory at a time
constexpr int kThreads = 128;         // 16 across the keys, 8 across the queries
constexpr int kRows = 8, kColumns = 4;  // queries and keys of a thread

struct MassParams {
    const void* query;  // (N, heads * d)
    const void* keys;   // (T, N, heads * d)
    const float* rows;  // (T, heads * d): temporal rows; for codes the rows less the keys' mean
    const int* picked;  // (count): indices of the queries that matter; null, every query does
    const int* number;  // how many of them there are, at most `count`; null, `count`
    const int* zeros;   // zero points of queries and keys; null for fp32 products
    float* peaks;       // (heads, T, count): greatest logit, in powers of two
    float* sums;        // (heads, T, count): sum of 2^(logit - peak)
    int* fault;
    int count, tokens, slots, heads;
    float query_scale;  // 1; for codes 1 / (sqrt(d) * step)
    float key_scale;    // 1; for codes 1 / step
    float unit;         // a product's worth as a power of two: log2(e) / sqrt(d); for codes step^2 * log2(e)
};

__device__ __forceinline__ int number_of(const int* number, int count) { return number != nullptr ? *number : count; }

__device__ __forceinline__ int code_of(float value, float scale, int zero) {
    return static_cast<int>(fminf(fmaxf(rintf(value * scale) + static_cast<float>(zero), -128.0f), 127.0f));
}

__device__ __forceinline__ int pack_codes(const Four& v, float scale, int zero) {
    unsigned packed = 0;
    for (int i = 0; i < 4; ++i)
        packed |= (static_cast<unsigned>(code_of(v.x[i], scale, zero)) & 0xffu) << (8 * i);
    return static_cast<int>(packed);
}

// fp32 products.
struct Exact {
    using Cell = float;
    using Sum = float;
    static constexpr int kDeep = kDepth;  // cells of a tile in depth
    static __device__ __forceinline__ void put(Cell (*tile)[kPitch], int column, int channel, const Four& v,
                                               float scale, int) {
        for (int i = 0; i < 4; ++i) tile[channel + i][column] = v.x[i] * scale;
    }
    static __device__ __forceinline__ void add(Sum& sum, Cell query, Cell key) { sum = fmaf(query, key, sum); }
    static __device__ __forceinline__ float product(Sum sum, Sum, int) { return sum; }
};

// 8-bit codes four to a word (docs/spec/ermu.md, SQA); the queries' zero point is taken off by the keys' sums.
struct Codes {
    using Cell = int;
    using Sum = int;
    static constexpr int kDeep = kDepth / 4;
    static __device__ __forceinline__ void put(Cell (*tile)[kPitch], int column, int channel, const Four& v,
                                               float scale, int zero) {
        tile[channel / 4][column] = pack_codes(v, scale, zero);
    }
    static __device__ __forceinline__ void add(Sum& sum, Cell query, Cell key) { sum = __dp4a(query, key, sum); }
    static __device__ __forceinline__ float product(Sum sum, Sum key_sum, int query_zero) {
        return static_cast<float>(sum - query_zero * key_sum);
    }
};

// Loads 64 rows of 32 channels, transposed; `source` gives a row's address, null past the end.
template <typename Arithmetic, typename In, typename Source>
__device__ __forceinline__ float fill(typename Arithmetic::Cell (*tile)[kPitch], float scale, int zero,
                                      const float* added, Source source) {
    float bad = 0.0f;
    for (int i = static_cast<int>(threadIdx.x); i < kTile * kDepth / 4; i += kThreads) {
        const int column = i / (kDepth / 4), channel = i % (kDepth / 4) * 4;
        const In* row = source(column);
        Four v = {{0.0f, 0.0f, 0.0f, 0.0f}};
        if (row != nullptr) v = load_four(row + channel);
        for (int j = 0; j < 4; ++j) {
            if (added != nullptr) v.x[j] += added[channel + j];
            bad += poison(v.x[j]);
        }
        Arithmetic::put(tile, column, channel, v, scale, zero);
    }
    return bad;
}

template <typename Arithmetic>
struct Tiles {
    typename Arithmetic::Cell query[Arithmetic::kDeep][kPitch];
    typename Arithmetic::Cell key[Arithmetic::kDeep][kPitch];
};

// Adds the products of the tiles in shared memory.
template <typename Arithmetic>
__device__ __forceinline__ void multiply(const Tiles<Arithmetic>& tiles, int left, int top,
                                         typename Arithmetic::Sum (&sums)[kRows][kColumns],
                                         typename Arithmetic::Sum (&key_sums)[kColumns]) {
    using Cell = typename Arithmetic::Cell;
#pragma unroll 4
    for (int c = 0; c < Arithmetic::kDeep; ++c) {
        Cell q[kRows], k[kColumns];
#pragma unroll
        for (int i = 0; i < kRows; ++i) q[i] = tiles.query[c][top + i];
#pragma unroll
        for (int j = 0; j < kColumns; ++j) k[j] = tiles.key[c][left + j];
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
            Arithmetic::add(key_sums[j], static_cast<Cell>(0x01010101), k[j]);
#pragma unroll
            for (int i = 0; i < kRows; ++i) Arithmetic::add(sums[i][j], q[i], k[j]);
        }
    }
}

// Online softmax of one tile: a query's 64 keys lie in 16 neighbouring lanes. Only a logit's distance from the
// peak is ever rounded, so that huge logits stay exact.
__device__ __forceinline__ void absorb(const float (&products)[kColumns], float unit, float& peak, float& sum) {
    float top = fmaxf(fmaxf(products[0], products[1]), fmaxf(products[2], products[3]));
#pragma unroll
    for (int step = 8; step > 0; step /= 2) top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, step));
    const float raised = fmaxf(peak, top * unit);
    sum *= exp2f(peak - raised);
#pragma unroll
    for (int j = 0; j < kColumns; ++j) sum += exp2f(fmaf(products[j], unit, -raised));
    peak = raised;
}

template <typename Arithmetic, typename In, int kHeadChannels>
__device__ __forceinline__ void slot_sums(const MassParams& p) {
    using Sum = typename Arithmetic::Sum;
    __shared__ __align__(16) Tiles<Arithmetic> tiles;
    const int first = static_cast<int>(blockIdx.x) * kTile, head = static_cast<int>(blockIdx.y);
    const int slot = static_cast<int>(blockIdx.z), width = p.heads * kHeadChannels;
    const int left = static_cast<int>(threadIdx.x) % 16 * kColumns, top = static_cast<int>(threadIdx.x) / 16 * kRows;
    const In* queries = static_cast<const In*>(p.query) + head * kHeadChannels;
    const In* keys = static_cast<const In*>(p.keys) + static_cast<size_t>(slot) * p.tokens * width + head * kHeadChannels;
    const float* rows = p.rows + slot * width + head * kHeadChannels;
    const int number = number_of(p.number, p.count);
    if (first >= number) return;
    const int query_zero = p.zeros != nullptr ? p.zeros[0] : 0, key_zero = p.zeros != nullptr ? p.zeros[1] : 0;

    float peaks[kRows], sums[kRows], bad = 0.0f;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
        peaks[i] = -CUDART_INF_F;
        sums[i] = 0.0f;
    }
    for (int start = 0; start < p.tokens; start += kTile) {
        Sum totals[kRows][kColumns] = {}, key_sums[kColumns] = {};
        for (int depth = 0; depth < kHeadChannels; depth += kDepth) {
            __syncthreads();
            if (kHeadChannels > kDepth || start == 0)
                bad += fill<Arithmetic, In>(tiles.query, p.query_scale, query_zero, nullptr, [&](int column) {
                    const int at = first + column;
                    if (at >= number) return static_cast<const In*>(nullptr);
                    return queries + static_cast<size_t>(p.picked != nullptr ? p.picked[at] : at) * width + depth;
                });
            bad += fill<Arithmetic, In>(tiles.key, p.key_scale, key_zero, rows + depth, [&](int column) {
                const int at = start + column;
                return at < p.tokens ? keys + static_cast<size_t>(at) * width + depth : nullptr;
            });
            __syncthreads();
            multiply<Arithmetic>(tiles, left, top, totals, key_sums);
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            float products[kColumns];
#pragma unroll
            for (int j = 0; j < kColumns; ++j) {
                const bool real = start + left + j < p.tokens;
                products[j] = real ? Arithmetic::product(totals[i][j], key_sums[j], query_zero) : -CUDART_INF_F;
            }
            absorb(products, p.unit, peaks[i], sums[i]);
        }
    }
    report(p.fault, bad, kFaultInScoring);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
        float sum = sums[i];
#pragma unroll
        for (int step = 8; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
        const int at = first + top + i;
        if (left != 0 || at >= number) continue;
        const size_t out = (static_cast<size_t>(head) * p.slots + slot) * p.count + at;
        p.peaks[out] = peaks[i];
        p.sums[out] = sum;
    }
}

#define ERMU_SLOT_SUMS(name, arithmetic, in, head_channels)                                 \
    extern "C" __global__ void __launch_bounds__(kThreads) name(const MassParams p) {        \
        slot_sums<arithmetic, in, head_channels>(p);                                         \
    }

ERMU_SLOT_SUMS(slot_sums_f32_d32, Exact, float, 32)
ERMU_SLOT_SUMS(slot_sums_f16_d32, Exact, __half, 32)
ERMU_SLOT_SUMS(slot_sums_f32_d128, Exact, float, 128)
ERMU_SLOT_SUMS(slot_sums_f16_d128, Exact, __half, 128)
ERMU_SLOT_SUMS(slot_sums_f32_d256, Exact, float, 256)
ERMU_SLOT_SUMS(slot_sums_f16_d256, Exact, __half, 256)
ERMU_SLOT_SUMS(slot_codes_f32_d32, Codes, float, 32)
ERMU_SLOT_SUMS(slot_codes_f16_d32, Codes, __half, 32)
ERMU_SLOT_SUMS(slot_codes_f32_d128, Codes, float, 128)
ERMU_SLOT_SUMS(slot_codes_f16_d128, Codes, __half, 128)
ERMU_SLOT_SUMS(slot_codes_f32_d256, Codes, float, 256)
ERMU_SLOT_SUMS(slot_codes_f16_d256, Codes, __half, 256)

struct CombineParams {
    const float* peaks;  // (heads, T, count)
    const float* sums;   // (heads, T, count)
    float* masses;       // (count, T)
    const int* number;   // as in MassParams
    int count, slots, heads;
};

// One thread a query: softmax over the slots of each head, then the mean over heads.
extern "C" __global__ void __launch_bounds__(128) combine_masses(const CombineParams p) {
    const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (at >= number_of(p.number, p.count)) return;
    for (int t = 0; t < p.slots; ++t) p.masses[static_cast<size_t>(at) * p.slots + t] = 0.0f;
    for (int head = 0; head < p.heads; ++head) {
        const size_t base = static_cast<size_t>(head) * p.slots * p.count + at;
        float peak = -CUDART_INF_F, whole = 0.0f;
        for (int t = 0; t < p.slots; ++t) peak = fmaxf(peak, p.peaks[base + static_cast<size_t>(t) * p.count]);
        for (int t = 0; t < p.slots; ++t) {
            const size_t from = base + static_cast<size_t>(t) * p.count;
            whole += p.sums[from] * exp2f(p.peaks[from] - peak);
        }
        for (int t = 0; t < p.slots; ++t) {
            const size_t from = base + static_cast<size_t>(t) * p.count;
            const float share = p.sums[from] * exp2f(p.peaks[from] - peak) / (whole * static_cast<float>(p.heads));
            p.masses[static_cast<size_t>(at) * p.slots + t] += share;
        }
    }
}
