// The quantised scoring attention of docs/spec/ermu.md: 8-bit codes in steps of the whole bank, with zero points.

namespace {

constexpr int kWidest = 1024;  // channels of a head in quantised scoring

// A tile is kTile sums that take the queries' offset off again, then (d / g, kTile, g) codes, as in `Int8`.
struct Sqa {
    using Number = char;
    using Weight = Code;
    static constexpr int kDegree = 4;

    static size_t tile_numbers(const BankShape& b) { return Int8::tile_bytes(b); }
    static size_t query_bytes(int d) { return Int8::query_bytes(d); }
    static const char* keys_at(const BankShape& b, const void* memory, int first) {
        return static_cast<const char*>(memory) + Int8::tile_bytes(b) * (first / kTile);
    }
    template <int V>
    ERMU_INLINE static void multiply(const Block& block, const char* tile, int d, F (&s)[kRows][V]) {
        I codes[kRows][V];
        multiply_codes(block, tile, padded(d, kGroup), codes);
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { s[i][j] = to_float(codes[i][j]); });
    }
    template <int V>
    static void put_weights(Weight*, const F (&)[V]) {}

    static float unit(const MassJob& job) { return job.quantum->step * job.quantum->step * kLog2E; }
    static void set_biases(const MassJob&, const Workspace&, int, int) {}

    static bool put_query(const MassJob& job, const float* values, int row, void* panel) {
        const int d = job.head_channels, wide = padded(d, kGroup);
        const float per_step = 1.0f / (job.quantum->step * __builtin_sqrtf(float(d)));
        Code* to = static_cast<Code*>(panel) + row * kGroup;
        for (int c = 0; c < wide; ++c) {
            const float zero = float(job.quantum->query_zero);
            const float level = c < d ? __builtin_rintf(values[c] * per_step) + zero : -128.0f;
            const float kept = level < -128.0f ? -128.0f : level > 127.0f ? 127.0f : level;
            to[c / kGroup * kRows * kGroup + c % kGroup] = static_cast<Code>(int(kept) + 128);
        }
        return true;
    }

    // Packs one tile of keys; past the last token it repeats that one.
    static bool put_keys(const MassJob& job, const BankShape& b, int head, int slot, int first, float* copy,
                         void* tile) {
        const int d = job.head_channels, wide = padded(d, kGroup);
        const float* shift = job.quantum->shift + size_t(slot) * job.channels() + head * d;
        const F per_step = splat(1.0f / job.quantum->step), zero = splat(float(job.quantum->key_zero));
        int32_t* sums = static_cast<int32_t*>(tile);
        KeyCode* codes = reinterpret_cast<KeyCode*>(sums + kTile);
        KeyCode narrow[kWidest + kLanes];
        for (int lane = 0; lane < kTile; ++lane) {
            const size_t token = size_t(slot) * job.tokens + least(first + lane, job.tokens - 1);
            const float* key = numbers_at(job.keys, job.half, token * b.key_width() + head * d, d, copy);
            for (int c = 0; c < d; c += kLanes) {
                const F level = round((load_first(key + c, d - c) + load_first(shift + c, d - c)) * per_step) + zero;
                store_codes(narrow + c, max(min(level, splat(127.0f)), splat(-128.0f)));
            }
            for (int c = d; c < wide; ++c) narrow[c] = 0;
            for (int c = 0; c < wide; c += kGroup)
                __builtin_memcpy(codes + (size_t(c) * kTile + lane * kGroup), narrow + c, kGroup * sizeof(KeyCode));
        }
        sum_codes(codes, wide, -(job.quantum->query_zero + 128), sums);
        return true;
    }
    // What each key's codes add up to, times a factor.
    static void sum_codes(const KeyCode* codes, int wide, int factor, int32_t* sums) {
        const Code ones[4] = {1, 1, 1, 1};
        const int32_t none[kLanes] = {};
        for (int j = 0; j < 2; ++j) {
            I sum = load(none);
            for (int c = 0; c < wide; c += kGroup)
                sum = dot_codes(sum, splat_codes(ones), load_codes(codes + size_t(c) * kTile + j * kLanes * kGroup));
            store(sums + j * kLanes, sum);
        }
        for (int i = 0; i < kTile; ++i) sums[i] *= factor;
    }
};

}  // namespace
