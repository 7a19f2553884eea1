// The softmax of one block of queries over the keys it has met: peaks, sums, and how they are raised.

namespace {

constexpr int kTile = 2 * kLanes;
constexpr int kChunk = 256;               // keys that a block takes before their values are gathered
constexpr int kPitch = kChunk + 16;       // of a block's weights, in numbers: rows fall into different sets of L1
static_assert(kChunk % (2 * kTile) == 0, "a chunk is whole tiles");

inline int padded(int count, int by) { return (count + by - 1) / by * by; }
inline int least(int a, int b) { return a < b ? a : b; }

// Writes the first `count` lanes, if any.
inline void store_first(float* p, F a, int count) {
    if (count >= kLanes) return store(p, a);
    float lanes[kLanes];
    store(lanes, a);
    for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

// kRows queries of one head. Exponents are logits times log2(e) * 2^23.
struct Block {
    const void* query;    // the panel
    const float* units;   // (kRows) exponent of a product of 1
    const float* biases;  // (kRows) added to the products, or to the exponents where those are codes
    float* downs;         // (kRows) minus the peak's exponent, infinity before the first key
    float* sums;          // (kRows, kLanes) weights of the present slot's keys, added up
    float* out;           // (panels, kRows, kTile) weighed values, null where only masses are wanted
    float* factors;       // (kRows) what a weight of 1 is worth beside the peak, where weights are codes
    int panels;
};

// Raises a row's peak to an exponent, if that is higher, and lowers what was summed so far.
inline void raise_peak(const Block& block, int row, float exponent) {
    const float down = -exponent;
    if (!(down < block.downs[row])) return;
    const F factor = splat(exact_power(down - block.downs[row]));
    block.downs[row] = down;
    store(block.sums + row * kLanes, load(block.sums + row * kLanes) * factor);
    for (int panel = 0; block.out && panel < block.panels; ++panel) {
        float* out = block.out + (size_t(panel) * kRows + row) * kTile;
        store(out, load(out) * factor);
        store(out + kLanes, load(out + kLanes) * factor);
    }
}

// Turns the products of a tile into weights, where none passes its row's peak by the slack; else returns false.
// The lanes from `tail` on repeat the last key and count for nothing.
template <int Degree, int V>
ERMU_INLINE inline bool weigh(const Block& block, F (&s)[kRows][V], int tail) {
    F tops[V];
    each<V>([&](auto j) ERMU_INLINE { tops[j] = splat(-__builtin_inff()); });
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
        s[i][j] = fused(s[i][j], splat(block.units[i]), splat(block.downs[i]));
        tops[j] = max(tops[j], s[i][j]);
    });
    if (any_above(tops[0], tops[V - 1], splat(kSlack))) return false;
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { s[i][j] = power<Degree>(s[i][j]); });
    if (tail < V * kLanes)
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
            s[i][j] = keep_first(s[i][j], tail > j * kLanes ? tail - j * kLanes : 0);
        });
    each<kRows>([&](auto i) ERMU_INLINE {
        F sum = load(block.sums + i * kLanes);
        each<V>([&](auto j) ERMU_INLINE { sum = sum + s[i][j]; });
        store(block.sums + i * kLanes, sum);
    });
    return true;
}

}  // namespace
