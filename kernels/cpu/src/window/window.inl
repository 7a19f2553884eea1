// Attention in a window on one thread: kRows neighbouring queries of one head share the keys around them.
//
// The windows of a block of queries in one grid row cover kRows + 14 columns of up to 15 rows. A band of biases,
// minus infinity outside each query's own 15 columns, cuts them to size; all logits of a block exist at once
// (24 KB), so the softmax takes its peak first and nothing is ever rescaled. A query's own columns begin one later
// than those of the query before it, so that relative values, which have no columns but places in the window, find
// their weights where a row of weights is taken to be one longer than it is.

namespace {

constexpr int kRadius = 7, kSide = 2 * kRadius + 1, kPlaces = kSide * kSide;
constexpr int kSpan = (kRows + kSide - 1 + kTile - 1) / kTile * kTile;  // columns of a block's keys, whole tiles
constexpr int kWindowPitch = kSide * kSpan + 16;                        // of a block's weights

inline int window_pitch(const WindowJob& job) { return padded(kRadius + job.width + kSpan, kLanes); }
inline int window_panels(const WindowJob& job) { return padded(job.value_head, kTile) / kTile; }  // of a head

size_t window_key_floats(const WindowJob& job) { return size_t(job.height) * job.key_width() * window_pitch(job); }
size_t window_value_floats(const WindowJob& job) {
    return size_t(job.heads) * window_panels(job) * kTile * job.tokens();
}
size_t window_relative_floats(const WindowJob& job) {
    return size_t(job.heads) * window_panels(job) * kTile * kPlaces;
}

// Packs `count` rows of one head's values, `pitch` apart, to panels (rows, kTile) of which `rows` are all there are.
inline void pack_panels(const WindowJob& job, const float* from, int pitch, int count, int rows, float* to) {
    for (int start = 0; start < job.value_head; start += kTile, to += size_t(rows) * kTile) {
        const int wide = least(kTile, job.value_head - start);
        for (int n = 0; n < count; ++n) {
            for (int c = 0; c < wide; ++c) to[n * kTile + c] = from[size_t(n) * pitch + start + c];
            for (int c = wide; c < kTile; ++c) to[n * kTile + c] = 0.0f;
        }
    }
}

// Packs one grid row: keys to (D, pitch) with room for the columns outside, values to panels (N, kTile).
void pack_window_row(const WindowJob& job, int y) {
    const int D = job.key_width(), pitch = window_pitch(job);
    const size_t first = size_t(y) * job.width;
    float* keys = job.keys + size_t(y) * D * pitch;
    __builtin_memset(keys, 0, sizeof(float) * D * pitch);
    for (int x = 0; x < job.width; ++x) {
        const float* from = job.key + (first + x) * D;
        for (int c = 0; c < D; ++c) keys[size_t(c) * pitch + kRadius + x] = from[c];
    }
    for (int head = 0; head < job.heads; ++head) {
        const size_t panels = size_t(head) * window_panels(job) * job.tokens();
        pack_panels(job, job.value + first * job.value_width() + head * job.value_head, job.value_width(), job.width,
                    job.tokens(), job.values + (panels + first) * kTile);
    }
}

// Packs one head's relative values to panels (225, kTile).
void pack_window_relative(const WindowJob& job, int head) {
    pack_panels(job, job.relative + size_t(head) * kPlaces * job.value_head, job.value_head, kPlaces, kPlaces,
                job.relatives + size_t(head) * window_panels(job) * kPlaces * kTile);
}

// One thread's scratch for a grid row of queries of one head.
struct WindowSpace {
    float *panel, *band, *weights, *shares;  // weights (blocks at once, kRows, kWindowPitch), shares (., kRows)
    int at_once;
    size_t used;
};

inline WindowSpace carve_window(const WindowJob& job, void* memory) {
    WindowSpace w{};
    const auto floats = [&](size_t count) {
        float* at = reinterpret_cast<float*>(static_cast<char*>(memory) + w.used);
        w.used += (count * sizeof(float) + 63) / 64 * 64;
        return at;
    };
    w.at_once = window_panels(job) > kFewPanels ? padded(job.width, kRows) / kRows : 1;
    w.panel = floats(size_t(kRows) * job.key_head);
    w.band = floats(kRows * kSpan);
    w.weights = floats(size_t(w.at_once) * kRows * kWindowPitch);
    w.shares = floats(size_t(w.at_once) * kRows);
    return w;
}

size_t window_scratch(const WindowJob& job) { return carve_window(job, nullptr).used; }

// A block of queries: those of one head from column x0 of grid row y on, and the rows of keys that they see.
struct WindowBlock {
    int head, x0, y, top, bottom;
};

inline WindowBlock window_block(const WindowJob& job, int head, int x0, int y) {
    return {head, x0, y, y > kRadius ? y - kRadius : 0, least(y + kRadius + 1, job.height)};
}

// Writes the biases of one row of keys, as exponents, to where each query of the block finds its own columns.
inline void put_band(const WindowJob& job, const WindowBlock& b, int key_y, float* band) {
    for (int i = 0; i < kRows && b.x0 + i < job.width; ++i) {
        const int x = b.x0 + i, low = x < kRadius ? kRadius - x : 0, high = least(kSide, job.width + kRadius - x);
        const float* from = job.bias + (size_t(b.head) * job.tokens() + b.y * job.width + x) * kPlaces;
        for (int dx = low; dx < high; ++dx)
            band[i * kSpan + i + dx] = from[(key_y - b.y + kRadius) * kSide + dx] * kLog2E;
    }
}

// The exponents of one block with one row of keys, and the greatest of each query.
ERMU_APART void window_logits(const WindowJob& job, const WindowSpace& w, const WindowBlock& b, int key_y,
                              float* weights, F* tops) {
    const F unit = splat(kLog2E / __builtin_sqrtf(float(job.key_head)));
    const int pitch = window_pitch(job);
    const float* keys = job.keys + (size_t(key_y) * job.key_width() + b.head * job.key_head) * pitch + b.x0;
    for (int tile = 0; tile < kSpan; tile += kTile) {
        F s[kRows][2];
        each_cell<kRows, 2>([&](auto i, auto j) ERMU_INLINE { s[i][j] = splat(0.0f); });
        add_fp32_products(w.panel, keys + tile, pitch, job.key_head, s);
        each_cell<kRows, 2>([&](auto i, auto j) ERMU_INLINE {
            const int lane = tile + j * kLanes;
            const F y = fma(s[i][j], unit, load(w.band + i * kSpan + lane));
            tops[i] = max(tops[i], y);
            store(weights + i * kWindowPitch + lane, y);
        });
    }
}

// Weights of a block, not yet normalised, and what would do it.
inline void weigh_window(const WindowJob& job, const WindowSpace& w, const WindowBlock& b, float* weights,
                         float* shares) {
    for (int i = 0; i < kRows; ++i) {
        const size_t token = b.y * job.width + least(b.x0 + i, job.width - 1);
        Fp32::put_query(job.query + token * job.key_width() + b.head * job.key_head, job.key_head, i, w.panel);
    }
    F tops[kRows];
    for (int i = 0; i < kRows; ++i) tops[i] = splat(-__builtin_inff());
    for (int i = 0; i < kRows * kSpan; ++i) w.band[i] = -__builtin_inff();
    for (int key_y = b.top; key_y < b.bottom; ++key_y) {
        put_band(job, b, key_y, w.band);
        window_logits(job, w, b, key_y, weights + (key_y - b.top) * kSpan, tops);
    }
    const F nothing = power<4>(splat(-__builtin_inff()));  // outside the window a weight is 0, not merely small
    for (int i = 0; i < kRows; ++i) {
        const F peak = splat(highest(tops[i]));
        F sum = splat(0.0f);
        float* row = weights + i * kWindowPitch;
        for (int lane = 0; lane < (b.bottom - b.top) * kSpan; lane += kLanes) {
            const F weight = power<4>(load(row + lane) - peak) - nothing;
            store(row + lane, weight);
            sum = sum + weight;
        }
        shares[i] = 1.0f / total(sum);
    }
}

// Weighs one panel of the head's values for one block and writes it out.
template <int V>
ERMU_APART void gather_window(const WindowJob& job, int panel, const WindowBlock& b, const float* weights,
                              const float* shares) {
    const int left = b.x0 > kRadius ? b.x0 - kRadius : 0, right = least(b.x0 + kRows + kRadius, job.width);
    const size_t number = size_t(b.head) * window_panels(job) + panel;
    const float* values = job.values + number * job.tokens() * kTile;
    const float* relatives = job.relatives + number * kPlaces * kTile;
    F sums[kRows][V];
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE { sums[i][j] = splat(0.0f); });
    for (int key_y = b.top; key_y < b.bottom; ++key_y, weights += kSpan) {
        add_fp32_values<kWindowPitch>(weights + left - (b.x0 - kRadius),
                                      values + (size_t(key_y) * job.width + left) * kTile, right - left, sums);
        if (job.relative)
            add_fp32_values<kWindowPitch + 1>(weights, relatives + (key_y - b.y + kRadius) * kSide * kTile, kSide, sums);
    }
    const int count = least(V * kLanes, job.value_head - panel * kTile);
    const size_t width = job.value_width();
    float* out = job.out + size_t(b.y * job.width + b.x0) * width + b.head * job.value_head + panel * kTile;
    each_cell<kRows, V>([&](auto i, auto j) ERMU_INLINE {
        if (b.x0 + i >= job.width) return;
        store_first(out + i * width + j * kLanes, sums[i][j] * splat(shares[i]), count - j * kLanes);
    });
}

void window_row(const WindowJob& job, int head, int y, void* scratch) {
    const WindowSpace w = carve_window(job, scratch);
    const int blocks = padded(job.width, kRows) / kRows;
    const auto weights_of = [&](int i) { return w.weights + size_t(i) * kRows * kWindowPitch; };
    for (int start = 0; start < blocks; start += w.at_once) {
        const auto block = [&](int i) { return window_block(job, head, (start + i) * kRows, y); };
        for (int i = 0; i < w.at_once; ++i) weigh_window(job, w, block(i), weights_of(i), w.shares + i * kRows);
        for (int panel = 0; panel < window_panels(job); ++panel) {
            const auto gather = job.value_head - panel * kTile > kLanes ? gather_window<2> : gather_window<1>;
            for (int i = 0; i < w.at_once; ++i) gather(job, panel, block(i), weights_of(i), w.shares + i * kRows);
        }
    }
}

}  // namespace
