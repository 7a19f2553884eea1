// How floating-point arithmetic attends: logits become weights tile by tile, against peaks that hardly ever move.

namespace {

// Arithmetic names its Number (packed keys and values) and Weight, and says how tiles are multiplied.
template <typename Arithmetic>
struct OnlineSoftmax : Arithmetic {
    using typename Arithmetic::Number;
    using typename Arithmetic::Weight;

    // Weighs one tile; false where a product passes its row's peak by the slack.
    template <int V>
    ERMU_APART static bool weigh_tile(const Block& block, const Number* k, int d, int tail, Weight* weights) {
        F s[kRows][V];
        Arithmetic::multiply(block, k, d, s);
        if (!weigh<Arithmetic::kDegree, V>(block, s, tail)) return false;
        if (weights)
            each<kRows>([&](auto i) ERMU_INLINE { Arithmetic::put_weights(weights + i * kPitch, s[i]); });
        return true;
    }

    // Weighs `count` keys from `first` on, into `weights` unless null; false where a peak must be raised before.
    static bool weigh_keys(const Block& block, const BankShape& b, const void* memory, int first, int count,
                           Weight* weights) {
        const Number* k = Arithmetic::keys_at(b, memory, first);
        for (int at = 0; at < count; at += kTile, k += Arithmetic::tile_numbers(b)) {
            Weight* here = weights ? weights + at : nullptr;
            if (!(count - at > kLanes ? weigh_tile<2>(block, k, b.key_head, count - at, here)
                                      : weigh_tile<1>(block, k, b.key_head, count - at, here)))
                return false;
        }
        return true;
    }

    // Raises the peaks to the greatest products with `count` keys from `first` on.
    static void raise_peaks(const Block& block, const BankShape& b, const void* memory, int first, int count) {
        const Number* k = Arithmetic::keys_at(b, memory, first);
        for (int at = 0; at < count; at += kTile, k += Arithmetic::tile_numbers(b)) {
            F s[kRows][2];
            Arithmetic::multiply(block, k, b.key_head, s);
            each<kRows>([&](auto i) ERMU_INLINE {
                raise_peak(block, i, highest(max(s[i][0], s[i][1])) * block.units[i]);
            });
        }
    }

    // Weighs `count` keys. Where a peak was too low, what had been summed is put back and the peaks are raised over
    // all of them first: no weight is left that an old peak gave.
    static void weigh_chunk(const Block& block, const BankShape& b, const void* memory, int first, int count,
                            Weight* weights) {
        float before[kRows * kLanes];
        __builtin_memcpy(before, block.sums, sizeof before);
        if (weigh_keys(block, b, memory, first, count, weights)) return;
        __builtin_memcpy(block.sums, before, sizeof before);
        raise_peaks(block, b, memory, first, count);
        weigh_keys(block, b, memory, first, count, weights);
    }

    template <int V>
    ERMU_APART static void gather(const Weight* weights, const Number* v, int count, float* out) {
        F sums[kRows][V];
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { sums[i][j] = load(out + i * kTile + j * kLanes); });
        Arithmetic::add_values(weights, v, count, sums);
        each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { store(out + i * kTile + j * kLanes, sums[i][j]); });
    }

    // Adds the weighed values of `count` keys from `first` on to one panel of the block.
    static void gather_values(const Block& block, const BankShape& b, const void* memory, int panel, int first,
                              int count, const Weight* weights) {
        const Number* v = Arithmetic::values_at(b, memory, panel, first);
        float* out = block.out + size_t(panel) * kRows * kTile;
        if (b.value_head - panel * kTile > kLanes) {
            gather<2>(weights, v, count, out);
        } else {
            gather<1>(weights, v, count, out);
        }
    }
};

}  // namespace
