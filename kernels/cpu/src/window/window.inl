// DeAOT's short-term attention on one thread: kRows neighbouring queries share the keys around them.
//
// The windows of a block of queries in one grid row cover kRows + 14 columns of up to 15 rows. A band of biases,
// minus infinity outside each query's own 15 columns, cuts them to size; all logits of a block exist at once
// (24 KB), so the softmax takes its peak first and nothing is ever rescaled.

namespace {

constexpr int kRadius = 7, kSide = 2 * kRadius + 1;
constexpr int kSpan = (kRows + kSide - 1 + kTile - 1) / kTile * kTile;  // columns of a block's keys, whole tiles
constexpr int kWindowPitch = kSide * kSpan + 16;                        // of a block's weights

inline int window_pitch(const WindowJob& job) { return padded(kRadius + job.width + kSpan, kLanes); }
inline int window_panels(const WindowJob& job) { return padded(job.value_width, kTile) / kTile; }

size_t window_key_floats(const WindowJob& job) { return size_t(job.height) * job.key_width * window_pitch(job); }
size_t window_value_floats(const WindowJob& job) {
    return size_t(window_panels(job)) * kTile * job.height * job.width;
}

// Packs one grid row: keys to (D, pitch) with room for the columns outside, values to panels (N, kTile).
void pack_window_row(const WindowJob& job, int y) {
    const int D = job.key_width, pitch = window_pitch(job), tokens = job.height * job.width;
    float* keys = job.keys + size_t(y) * D * pitch;
    __builtin_memset(keys, 0, sizeof(float) * D * pitch);
    for (int x = 0; x < job.width; ++x) {
        const float* from = job.key + size_t(y * job.width + x) * D;
        for (int c = 0; c < D; ++c) keys[size_t(c) * pitch + kRadius + x] = from[c];
    }
    for (int panel = 0; panel < window_panels(job); ++panel) {
        const int count = least(kTile, job.value_width - panel * kTile);
        for (int n = y * job.width; n < (y + 1) * job.width; ++n) {
            float* to = job.values + (size_t(panel) * tokens + n) * kTile;
            const float* from = job.value + size_t(n) * job.value_width + panel * kTile;
            for (int c = 0; c < count; ++c) to[c] = from[c];
            for (int c = count; c < kTile; ++c) to[c] = 0.0f;
        }
    }
}

// One thread's scratch for a grid row of queries.
struct WindowSpace {
    float *panel, *band, *weights, *shares;  // weights (blocks, kRows, kWindowPitch), shares (blocks, kRows)
    size_t used;
};

inline WindowSpace carve_window(const WindowJob& job, void* memory) {
    WindowSpace w{};
    const auto floats = [&](size_t count) {
        float* at = reinterpret_cast<float*>(static_cast<char*>(memory) + w.used);
        w.used += (count * sizeof(float) + 63) / 64 * 64;
        return at;
    };
    const int blocks = padded(job.width, kRows) / kRows;
    w.panel = floats(size_t(kRows) * job.key_width);
    w.band = floats(kRows * kSpan);
    w.weights = floats(size_t(blocks) * kRows * kWindowPitch);
    w.shares = floats(size_t(blocks) * kRows);
    return w;
}

size_t window_scratch(const WindowJob& job) { return carve_window(job, nullptr).used; }

// Writes the biases of one row of keys, as exponents, to where each query of the block finds its own columns.
inline void put_band(const WindowJob& job, int x0, int y, int key_y, float* band) {
    for (int i = 0; i < kRows && x0 + i < job.width; ++i) {
        const int x = x0 + i, low = x < kRadius ? kRadius - x : 0, high = least(kSide, job.width + kRadius - x);
        const float* from = job.bias + size_t(y * job.width + x) * kSide * kSide + (key_y - y + kRadius) * kSide;
        for (int dx = low; dx < high; ++dx) band[i * kSpan + i + dx] = from[dx] * kLog2E;
    }
}

// The exponents of one block with one row of keys, and the greatest of each query.
ERMU_APART void window_logits(const WindowJob& job, const WindowSpace& w, int x0, int key_y, float* weights, F* tops) {
    const F unit = splat(kLog2E / __builtin_sqrtf(float(job.key_width)));
    const float* keys = job.keys + size_t(key_y) * job.key_width * window_pitch(job) + x0;
    for (int tile = 0; tile < kSpan; tile += kTile) {
        F s[kRows][2];
        each_cell<kRows, 2>([&](auto i, auto j) ERMU_INLINE { s[i][j] = splat(0.0f); });
        add_fp32_products(w.panel, keys + tile, window_pitch(job), job.key_width, s);
        each_cell<kRows, 2>([&](auto i, auto j) ERMU_INLINE {
            const int lane = tile + j * kLanes;
            const F y = fma(s[i][j], unit, load(w.band + i * kSpan + lane));
            tops[i] = max(tops[i], y);
            store(weights + i * kWindowPitch + lane, y);
        });
    }
}

// Weights of the block that starts at column x0 of grid row y, not yet normalised, and what would do it.
inline void weigh_window(const WindowJob& job, const WindowSpace& w, int x0, int y, float* weights, float* shares) {
    for (int i = 0; i < kRows; ++i) {
        const int token = y * job.width + least(x0 + i, job.width - 1);
        Fp32::put_query(job.query + size_t(token) * job.key_width, job.key_width, i, w.panel);
    }
    F tops[kRows];
    for (int i = 0; i < kRows; ++i) tops[i] = splat(-__builtin_inff());
    for (int i = 0; i < kRows * kSpan; ++i) w.band[i] = -__builtin_inff();
    const int top = y > kRadius ? y - kRadius : 0, bottom = least(y + kRadius + 1, job.height);
    for (int key_y = top; key_y < bottom; ++key_y) {
        put_band(job, x0, y, key_y, w.band);
        window_logits(job, w, x0, key_y, weights + (key_y - top) * kSpan, tops);
    }
    const F nothing = power<4>(splat(-__builtin_inff()));  // outside the window a weight is 0, not merely small
    for (int i = 0; i < kRows; ++i) {
        const F peak = splat(highest(tops[i]));
        F sum = splat(0.0f);
        float* row = weights + i * kWindowPitch;
        for (int lane = 0; lane < (bottom - top) * kSpan; lane += kLanes) {
            const F weight = power<4>(load(row + lane) - peak) - nothing;
            store(row + lane, weight);
            sum = sum + weight;
        }
        shares[i] = 1.0f / total(sum);
    }
}

// Weighs one panel of values for one block and writes it out.
template <int V>
ERMU_APART void gather_window(const WindowJob& job, int panel, int x0, int y, const float* weights, const float* shares) {
    const int top = y > kRadius ? y - kRadius : 0, bottom = least(y + kRadius + 1, job.height);
    const int left = x0 > kRadius ? x0 - kRadius : 0, right = least(x0 + kRows + kRadius, job.width);
    const float* values = job.values + size_t(panel) * job.height * job.width * kTile;
    F sums[kRows][V];
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { sums[i][j] = splat(0.0f); });
    for (int key_y = top; key_y < bottom; ++key_y)
        add_fp32_values<kWindowPitch>(weights + (key_y - top) * kSpan + left - (x0 - kRadius),
                                        values + (size_t(key_y) * job.width + left) * kTile, right - left, sums);
    const int count = least(V * kLanes, job.value_width - panel * kTile);
    float* out = job.out + size_t(y * job.width + x0) * job.value_width + panel * kTile;
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
        if (x0 + i >= job.width) return;
        store_first(out + size_t(i) * job.value_width + j * kLanes, sums[i][j] * splat(shares[i]), count - j * kLanes);
    });
}

void window_row(const WindowJob& job, int y, void* scratch) {
    const WindowSpace w = carve_window(job, scratch);
    const int blocks = padded(job.width, kRows) / kRows;
    const auto weights_of = [&](int block) { return w.weights + size_t(block) * kRows * kWindowPitch; };
    for (int block = 0; block < blocks; ++block)
        weigh_window(job, w, block * kRows, y, weights_of(block), w.shares + block * kRows);
    for (int panel = 0; panel < window_panels(job); ++panel) {
        const auto gather = job.value_width - panel * kTile > kLanes ? gather_window<2> : gather_window<1>;
        for (int block = 0; block < blocks; ++block)
            gather(job, panel, block * kRows, y, weights_of(block), w.shares + block * kRows);
    }
}

}  // namespace
