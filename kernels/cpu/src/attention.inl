// Attention over a memory bank on one thread, for whatever arithmetic and instruction set.
//
// A chunk of keys and their values stays in the inner caches while every block of queries passes over it. The
// weights exist for one chunk at a time; an output is touched once a chunk, and the softmax is normalised last.

namespace {

constexpr int kFewPanels = 4;  // so narrow a head gathers its values block by block, with the weights still in L1

// One thread's scratch, carved from a block of bytes; `rows` is whole blocks.
struct Workspace {
    char* queries;
    float *units, *biases, *downs, *sums, *out;
    float *slot_sums, *slot_downs;  // (rows, T)
    void* weights;                  // (blocks at once, kRows, kPitch)
    size_t query_bytes, out_floats;  // of a block
    int rows, panels, at_once;
    size_t used;
};

template <typename Arithmetic>
Workspace carve(const Reading& job, int count, void* memory) {
    Workspace w{};
    w.rows = padded(count, kRows);
    w.panels = padded(job.bank.value_head, kTile) / kTile;
    w.at_once = w.panels > kFewPanels ? w.rows / kRows : 1;
    w.query_bytes = padded(static_cast<int>(Arithmetic::query_bytes(job.bank.key_head)), 64);
    w.out_floats = size_t(w.panels) * kRows * kTile;
    const auto take = [&](size_t bytes) {
        char* at = static_cast<char*>(memory) + w.used;
        w.used += (bytes + 63) / 64 * 64;
        return at;
    };
    const auto floats = [&](size_t number) { return reinterpret_cast<float*>(take(number * sizeof(float))); };
    const size_t blocks = w.rows / kRows;
    w.queries = take(w.query_bytes * blocks);
    w.units = floats(w.rows);
    w.biases = floats(w.rows);
    w.downs = floats(w.rows);
    w.sums = floats(size_t(w.rows) * kLanes);
    w.out = floats(w.out_floats * blocks);
    w.slot_sums = floats(size_t(w.rows) * job.slots);
    w.slot_downs = floats(size_t(w.rows) * job.slots);
    w.weights = take(sizeof(typename Arithmetic::Weight) * kRows * kPitch * w.at_once);
    return w;
}

inline Block block_at(const Workspace& w, int index) {
    const int row = index * kRows;
    return {w.queries + index * w.query_bytes, w.units + row, w.biases + row, w.downs + row, w.sums + row * kLanes,
            w.out + index * w.out_floats,      w.panels};
}

inline float dot(const float* a, const float* b, int count) {
    F sum = splat(0.0f);
    int c = 0;
    for (; c + kLanes <= count; c += kLanes) sum = fma(load(a + c), load(b + c), sum);
    float whole = total(sum);
    for (; c < count; ++c) whole += a[c] * b[c];
    return whole;
}

// Weighs a chunk of keys. Where a peak was too low for that, what had been summed is put back and the peaks are
// raised over the whole chunk first: no weight is left that an old peak gave.
template <typename Arithmetic>
void weigh_chunk(const Block& block, const BankShape& bank, const void* memory, int first, int count,
                 typename Arithmetic::Weight* weights) {
    float before[kRows * kLanes];
    __builtin_memcpy(before, block.sums, sizeof before);
    if (Arithmetic::weigh_keys(block, bank, memory, first, count, weights)) return;
    __builtin_memcpy(block.sums, before, sizeof before);
    Arithmetic::raise_peaks(block, bank, memory, first, count);
    Arithmetic::weigh_keys(block, bank, memory, first, count, weights);
}

// Takes every block over one slot, chunk by chunk.
template <typename Arithmetic>
void look_at(const Reading& job, const Workspace& w, const void* memory) {
    const int blocks = w.rows / kRows;
    auto* weights = static_cast<typename Arithmetic::Weight*>(w.weights);
    for (int first = 0; first < job.bank.tokens; first += kChunk) {
        const int count = least(kChunk, job.bank.tokens - first);
        for (int start = 0; start < blocks; start += w.at_once) {
            for (int i = 0; i < w.at_once; ++i)
                weigh_chunk<Arithmetic>(block_at(w, start + i), job.bank, memory, first, count,
                                        weights + size_t(i) * kRows * kPitch);
            for (int panel = 0; panel < w.panels; ++panel)
                for (int i = 0; i < w.at_once; ++i)
                    Arithmetic::gather_values(block_at(w, start + i), job.bank, memory, panel, first, count,
                                              weights + size_t(i) * kRows * kPitch);
        }
    }
}

// Normalises one query: the values of its head, and its shares of the slots over the number of heads.
inline void finish(const Reading& job, const Workspace& w, int row, float* out, float* masses) {
    const int T = job.slots;
    const float* sums = w.slot_sums + size_t(row) * T;
    const float* downs = w.slot_downs + size_t(row) * T;
    float whole = 0.0f;
    for (int t = 0; t < T; ++t) whole += sums[t] * exact_power(w.downs[row] - downs[t]);
    const float weight = 1.0f / whole;
    const float* from = w.out + row / kRows * w.out_floats + row % kRows * kTile;
    for (int c = 0; c < job.bank.value_head; ++c)
        out[c] = from[size_t(c / kTile) * kRows * kTile + c % kTile] * weight;
    for (int t = 0; masses && t < T; ++t)
        masses[t] = sums[t] * exact_power(w.downs[row] - downs[t]) * weight / float(job.bank.heads);
}

template <typename Arithmetic>
void attend(const Reading& job, int head, int begin, int end, void* scratch, float* masses) {
    const Workspace w = carve<Arithmetic>(job, end - begin, scratch);
    const BankShape& b = job.bank;
    const auto query_at = [&](int row) {
        return job.query + size_t(least(begin + row, end - 1)) * b.key_width() + head * b.key_head;
    };
    for (int row = 0; row < w.rows; ++row) {
        Arithmetic::put_query(query_at(row), b.key_head, row % kRows, w.queries + row / kRows * w.query_bytes);
        w.units[row] = kLog2E / __builtin_sqrtf(float(b.key_head));
        w.downs[row] = __builtin_inff();
    }
    __builtin_memset(w.out, 0, sizeof(float) * w.out_floats * (w.rows / kRows));
    for (int slot = 0; slot < job.slots; ++slot) {
        const float* moved = job.rows + size_t(slot) * b.key_width() + head * b.key_head;
        for (int row = 0; row < w.rows; ++row) w.biases[row] = dot(query_at(row), moved, b.key_head);
        __builtin_memset(w.sums, 0, sizeof(float) * w.rows * kLanes);
        look_at<Arithmetic>(job, w, static_cast<const char*>(job.packed[slot]) + head * Arithmetic::head_bytes(b));
        for (int row = 0; row < w.rows; ++row) {
            w.slot_sums[size_t(row) * job.slots + slot] = total(load(w.sums + row * kLanes));
            w.slot_downs[size_t(row) * job.slots + slot] = w.downs[row];
        }
    }
    for (int row = 0; row < end - begin; ++row)
        finish(job, w, row, job.out + size_t(begin + row) * b.value_width() + head * b.value_head,
               masses ? masses + size_t(row) * job.slots : nullptr);
}

template <typename Arithmetic>
size_t scratch_bytes(const Reading& job, int rows) {
    return carve<Arithmetic>(job, rows, nullptr).used;
}

template <typename Arithmetic>
constexpr Reader reader() {
    return {kRows, Arithmetic::head_bytes, Arithmetic::pack, scratch_bytes<Arithmetic>, attend<Arithmetic>};
}

}  // namespace
