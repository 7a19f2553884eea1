// Frame masses on one thread: attention without its values, from keys that are packed as they are needed.
//
// A chunk of packed keys stays in the inner caches while every block of queries passes over it; no weight is kept.

namespace {

// Exact scoring: fp32 products, the temporal rows as biases.
struct Exact : Fp32 {
    static float unit(const MassJob& job) { return kLog2E / __builtin_sqrtf(float(job.head_channels)); }

    static bool put_query(const MassJob& job, const float* values, int row, void* panel) {
        Fp32::put_query(values, job.head_channels, row, panel);
        return poison(values, job.head_channels) == 0.0f;
    }
    static bool put_keys(const MassJob& job, const BankShape& b, int head, int slot, int first, float* copy,
                         void* tile) {
        const int d = job.head_channels;
        const size_t offset = (size_t(slot) * job.tokens + first) * b.key_width() + head * d;
        const float* keys = static_cast<const float*>(job.keys) + offset;
        int pitch = b.key_width();
        if (job.half) {
            pitch = padded(d, kLanes);
            for (int lane = 0; lane < least(kTile, job.tokens - first); ++lane)
                numbers_at(job.keys, true, offset + size_t(lane) * b.key_width(), d, copy + size_t(lane) * pitch);
            keys = copy;
        }
        turn_keys(keys, job.tokens - first, d, pitch, 0, static_cast<float*>(tile));
        return poison(static_cast<float*>(tile), size_t(kTile) * d) == 0.0f;
    }
    static void set_biases(const MassJob& job, const Workspace& w, int head, int slot) {
        const int d = job.head_channels;
        const float* moved = job.rows + size_t(slot) * job.channels() + head * d;
        for (int row = 0; row < w.rows; row += kRows) {
            const float* q = reinterpret_cast<const float*>(w.queries + row / kRows * w.query_bytes);
            float sums[kRows] = {};
            for (int c = 0; c < d; ++c)
                for (int i = 0; i < kRows; ++i) sums[i] += q[c * kRows + i] * moved[c];
            __builtin_memcpy(w.biases + row, sums, sizeof sums);
        }
    }
};

// A workspace without values, and room for a chunk of keys.
struct MassSpace {
    Workspace w;
    BankShape bank;
    char* chunk;
    float* copy;  // (kTile, d) fp32 numbers of a tile
};

template <typename Arithmetic>
MassSpace carve_masses(const MassJob& job, int count, void* memory) {
    MassSpace s{};
    s.bank = {job.tokens, job.heads, job.head_channels, 0};
    Reading reading{};
    reading.bank = s.bank;
    reading.slots = job.slots;
    s.w = carve<Arithmetic>(reading, count, memory);
    s.chunk = static_cast<char*>(memory) + s.w.used;
    s.w.used += Arithmetic::tile_numbers(s.bank) * sizeof(typename Arithmetic::Number) * (kChunk / kTile);
    s.copy = reinterpret_cast<float*>(static_cast<char*>(memory) + s.w.used);
    s.w.used += sizeof(float) * kTile * padded(job.head_channels + kLanes, kLanes);
    return s;
}

// Asks for a head's keys of the tokens [begin, end), counted over all slots: they lie D apart, too far for the
// processor to foresee.
inline void fetch(const MassJob& job, int head, size_t begin, size_t end) {
    const size_t width = job.half ? 2 : 4, pitch = job.channels() * width, stop = size_t(job.slots) * job.tokens;
    const char* base = static_cast<const char*>(job.keys) + size_t(head) * job.head_channels * width;
    for (size_t token = begin; token < end && token < stop; ++token)
        for (size_t byte = 0; byte < job.head_channels * width; byte += 64)
            __builtin_prefetch(base + token * pitch + byte, 0, 2);
}

template <typename Arithmetic>
bool put_queries(const MassJob& job, const MassSpace& s, int head, int begin, int end) {
    bool finite = true;
    for (int row = 0; row < s.w.rows; ++row) {
        const size_t token = job.picked[least(begin + row, end - 1)];
        const size_t offset = token * job.channels() + head * job.head_channels;
        const float* values = numbers_at(job.query, job.half, offset, job.head_channels, s.copy);
        void* panel = s.w.queries + row / kRows * s.w.query_bytes;
        finite &= Arithmetic::put_query(job, values, row % kRows, panel);
        s.w.units[row] = Arithmetic::unit(job);
        s.w.biases[row] = 0.0f;
        s.w.downs[row] = __builtin_inff();
    }
    return finite;
}

// Adds up the weights of one slot's keys.
template <typename Arithmetic>
bool score_slot(const MassJob& job, const MassSpace& s, int head, int slot) {
    const size_t tile_bytes = Arithmetic::tile_numbers(s.bank) * sizeof(typename Arithmetic::Number);
    __builtin_memset(s.w.sums, 0, sizeof(float) * s.w.rows * kLanes);
    for (int first = 0; first < job.tokens; first += kChunk) {
        const int count = least(kChunk, job.tokens - first);
        for (int at = 0; at < count; at += kTile) {
            if (!Arithmetic::put_keys(job, s.bank, head, slot, first + at, s.copy, s.chunk + at / kTile * tile_bytes))
                return false;
        }
        const size_t next = size_t(slot) * job.tokens + first + count, blocks = s.w.rows / kRows;
        for (size_t block = 0; block < blocks; ++block) {
            fetch(job, head, next + block * kChunk / blocks, next + (block + 1) * kChunk / blocks);
            OnlineSoftmax<Arithmetic>::weigh_chunk(block_at(s.w, block), s.bank, s.chunk, 0, count, nullptr);
        }
    }
    return true;
}

template <typename Arithmetic>
bool score_with(const MassJob& job, int head, int begin, int end, void* memory, float* masses) {
    const MassSpace s = carve_masses<Arithmetic>(job, end - begin, memory);
    const int T = job.slots;
    if (!put_queries<Arithmetic>(job, s, head, begin, end)) return false;
    for (int slot = 0; slot < T; ++slot) {
        Arithmetic::set_biases(job, s.w, head, slot);
        if (!score_slot<Arithmetic>(job, s, head, slot)) return false;
        record_slot(s.w, T, slot);
    }
    for (int row = 0; row < end - begin; ++row) {
        const float* shares = normalise_shares(s.w, T, row);
        for (int t = 0; t < T; ++t) masses[size_t(row) * T + t] = shares[t] / float(job.heads);
    }
    return true;
}

size_t mass_scratch(const MassJob& job, int rows) {
    return (job.quantum ? carve_masses<Sqa>(job, rows, nullptr) : carve_masses<Exact>(job, rows, nullptr)).w.used;
}

bool score(const MassJob& job, int head, int begin, int end, void* scratch, float* masses) {
    return job.quantum ? score_with<Sqa>(job, head, begin, end, scratch, masses)
                       : score_with<Exact>(job, head, begin, end, scratch, masses);
}

}  // namespace
