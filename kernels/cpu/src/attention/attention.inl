// Attention over a memory bank on one thread, for whatever arithmetic and instruction set.
//
// A chunk of keys and their values stays in the inner caches while every block of queries passes over it. The
// weights exist for one chunk at a time; an output is touched once a chunk, and the softmax is normalised last.

namespace {

constexpr int kFewPanels = 4;  // so narrow a head gathers its values block by block, with the weights still in L1

// One thread's scratch, carved from a block of bytes; `rows` is whole blocks.
struct Workspace {
    char* queries;
    float *steps, *units, *biases, *downs, *sums, *factors, *out;
    float* moved;                   // (d) what one slot adds to its keys
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
    w.steps = floats(w.rows);
    w.units = floats(w.rows);
    w.biases = floats(w.rows);
    w.downs = floats(w.rows);
    w.sums = floats(size_t(w.rows) * kLanes);
    w.factors = floats(w.rows);
    w.out = floats(w.out_floats * blocks);
    w.moved = floats(job.bank.key_head);
    w.slot_sums = floats(size_t(w.rows) * job.slots);
    w.slot_downs = floats(size_t(w.rows) * job.slots);
    w.weights = take(sizeof(typename Arithmetic::Weight) * kRows * kPitch * w.at_once);
    return w;
}

inline Block block_at(const Workspace& w, int index) {
    const int row = index * kRows;
    return {w.queries + index * w.query_bytes, w.units + row, w.biases + row, w.downs + row, w.sums + row * kLanes,
            w.out + index * w.out_floats, w.factors + row, w.panels};
}

inline float dot(const float* a, const float* b, int count) {
    F sum = splat(0.0f);
    int c = 0;
    for (; c + kLanes <= count; c += kLanes) sum = fma(load(a + c), load(b + c), sum);
    float whole = total(sum);
    for (; c < count; ++c) whole += a[c] * b[c];
    return whole;
}

inline const float* query_of(const Reading& job, int head, int token) {
    return job.query + size_t(token) * job.bank.key_width() + head * job.bank.key_head;
}

template <typename Arithmetic>
const void* head_of(const Reading& job, int slot, int head) {
    return static_cast<const char*>(job.packed[slot]) + head * Arithmetic::head_bytes(job.bank);
}

// Takes every block over one slot, chunk by chunk.
template <typename Arithmetic>
void attend_slot(const Reading& job, const Workspace& w, const void* memory) {
    const int blocks = w.rows / kRows;
    auto* weights = static_cast<typename Arithmetic::Weight*>(w.weights);
    for (int first = 0; first < job.bank.tokens; first += kChunk) {
        const int count = least(kChunk, job.bank.tokens - first);
        for (int start = 0; start < blocks; start += w.at_once) {
            for (int i = 0; i < w.at_once; ++i)
                Arithmetic::weigh_chunk(block_at(w, start + i), job.bank, memory, first, count,
                                        weights + size_t(i) * kRows * kPitch);
            for (int panel = 0; panel < w.panels; ++panel)
                for (int i = 0; i < w.at_once; ++i)
                    Arithmetic::gather_values(block_at(w, start + i), job.bank, memory, panel, first, count,
                                              weights + size_t(i) * kRows * kPitch);
        }
    }
}

// Keeps what the present slot's weights add up to, and beside which peaks.
inline void record_slot(const Workspace& w, int slots, int slot) {
    for (int row = 0; row < w.rows; ++row) {
        w.slot_sums[size_t(row) * slots + slot] = total(load(w.sums + row * kLanes));
        w.slot_downs[size_t(row) * slots + slot] = w.downs[row];
    }
}

// Turns one query's sums into the shares of the slots, which add up to 1; the whole is left in `units`.
inline const float* normalise_shares(const Workspace& w, int slots, int row) {
    float* shares = w.slot_sums + size_t(row) * slots;
    const float* downs = w.slot_downs + size_t(row) * slots;
    float whole = 0.0f;
    for (int t = 0; t < slots; ++t) {
        if (downs[t] != w.downs[row]) shares[t] *= exact_power(w.downs[row] - downs[t]);
        whole += shares[t];
    }
    for (int t = 0; t < slots; ++t) shares[t] /= whole;
    w.units[row] = whole;
    return shares;
}

// Normalises one query: the values of its head, and its shares of the slots over the number of heads.
template <typename Arithmetic>
void finish(const Reading& job, const Workspace& w, int head, int row, float* out, float* masses) {
    const int T = job.slots, dv = job.bank.value_head;
    const float* shares = normalise_shares(w, T, row);
    const float weight = 1.0f / w.units[row];
    for (int panel = 0; panel < w.panels; ++panel) {
        const float* from = w.out + row / kRows * w.out_floats + (size_t(panel) * kRows + row % kRows) * kTile;
        const int count = least(kTile, dv - panel * kTile);
        for (int c = 0; c < count; ++c) out[panel * kTile + c] = from[c] * weight;
    }
    for (int t = 0; t < T; ++t) {
        const float* mean = Arithmetic::value_mean(job.bank, head_of<Arithmetic>(job, t, head));
        for (int c = 0; mean && c < dv; ++c) out[c] += shares[t] * mean[c];
        if (masses) masses[t] = shares[t] / float(job.bank.heads);
    }
}

// The biases and units of all queries for one slot.
template <typename Arithmetic>
void prepare_slot(const Reading& job, const Workspace& w, int head, int begin, int end, int slot, float* moved) {
    const BankShape& b = job.bank;
    const void* memory = head_of<Arithmetic>(job, slot, head);
    const float* mean = Arithmetic::key_mean(b, memory);
    const float* row_of_slot = job.rows + size_t(slot) * b.key_width() + head * b.key_head;
    for (int c = 0; c < b.key_head; ++c) moved[c] = row_of_slot[c] + (mean ? mean[c] : 0.0f);
    const float exponent = kLog2E / __builtin_sqrtf(float(b.key_head));
    for (int row = 0; row < w.rows; ++row) {
        const float product = dot(query_of(job, head, least(begin + row, end - 1)), moved, b.key_head);
        w.biases[row] = Arithmetic::kBiasIsExponent ? product * exponent : product;
        w.units[row] = w.steps[row] * Arithmetic::key_step(b, memory) * exponent;
    }
}

template <typename Arithmetic>
void attend(const Reading& job, int head, int begin, int end, void* scratch, float* masses) {
    const Workspace w = carve<Arithmetic>(job, end - begin, scratch);
    const BankShape& b = job.bank;
    for (int row = 0; row < w.rows; ++row) {
        void* panel = w.queries + row / kRows * w.query_bytes;
        const float* query = query_of(job, head, least(begin + row, end - 1));
        w.steps[row] = Arithmetic::put_query(query, b.key_head, row % kRows, panel);
        w.downs[row] = __builtin_inff();
    }
    __builtin_memset(w.out, 0, sizeof(float) * w.out_floats * (w.rows / kRows));
    for (int slot = 0; slot < job.slots; ++slot) {
        prepare_slot<Arithmetic>(job, w, head, begin, end, slot, w.moved);
        __builtin_memset(w.sums, 0, sizeof(float) * w.rows * kLanes);
        attend_slot<Arithmetic>(job, w, head_of<Arithmetic>(job, slot, head));
        record_slot(w, job.slots, slot);
    }
    for (int row = 0; row < end - begin; ++row)
        finish<Arithmetic>(job, w, head, row, job.out + size_t(begin + row) * b.value_width() + head * b.value_head,
                           masses ? masses + size_t(row) * job.slots : nullptr);
}

template <typename Arithmetic>
size_t scratch_bytes(const Reading& job, int rows) {
    return carve<Arithmetic>(job, rows, nullptr).used;
}

template <typename Arithmetic>
void unpack(const BankShape& b, int head, const void* memory, const SlotCodes& to) {
    float *key = to.key + head * b.key_head, *value = to.value + head * b.value_head;
    for (int n = 0; n < b.tokens; ++n) {
        for (int c = 0; c < b.key_head; ++c) key[size_t(n) * b.key_width() + c] = Arithmetic::key_code(b, memory, n, c);
        for (int c = 0; c < b.value_head; ++c)
            value[size_t(n) * b.value_width() + c] = Arithmetic::value_code(b, memory, n, c);
    }
    Arithmetic::unpack_scale(b, head, memory, to);
}

template <typename Arithmetic>
constexpr Reader reader() {
    return {kRows,
            Arithmetic::head_bytes,
            Arithmetic::pack,
            unpack<Arithmetic>,
            Arithmetic::repack,
            scratch_bytes<Arithmetic>,
            attend<Arithmetic>};
}

}  // namespace
