// Resizing in single precision: rows first, where neighbours lie side by side, then columns.

namespace {

constexpr int kRowsAtOnce = 4;  // as many as the cubic has: the sum is written once

inline size_t row_values(const FrameJob& job) { return size_t(job.source_w) * 3; }

size_t frame_scratch(const FrameJob& job) { return row_values(job) * sizeof(float); }

// Four rows weighed; added to what is there, or in place of it.
template <bool kAdd>
void mix_four(const FrameJob& job, const int32_t* at, const float* weights, float* __restrict mixed) {
    const size_t values = row_values(job);
    const uint8_t *a = job.frame + at[0] * values, *b = job.frame + at[1] * values;
    const uint8_t *c = job.frame + at[2] * values, *d = job.frame + at[3] * values;
    const float wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    for (size_t i = 0; i < values; ++i) {
        const float sum = a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd;
        mixed[i] = kAdd ? mixed[i] + sum : sum;
    }
}

// The source at network row y.
inline void mix_rows(const FrameJob& job, int y, float* mixed) {
    const Taps& rows = job.rows;
    for (int first = 0; first < rows.count; first += kRowsAtOnce) {
        int32_t at[kRowsAtOnce] = {};
        float weights[kRowsAtOnce] = {};
        for (int i = 0; i < kRowsAtOnce && first + i < rows.count; ++i) {
            at[i] = rows.at[size_t(y) * rows.count + first + i];
            weights[i] = rows.weights[size_t(y) * rows.count + first + i];
        }
        first ? mix_four<true>(job, at, weights, mixed) : mix_four<false>(job, at, weights, mixed);
    }
}

// The mixed row at every network column; the cubic's four taps are known when it is compiled.
template <int kCount>
void mix_columns(const FrameJob& job, const float* mixed, float* out) {
    const int count = kCount ? kCount : job.columns.count;
    for (int x = 0; x < job.network_w; ++x, out += 3) {
        const int32_t* at = job.columns.at + size_t(x) * count;
        const float* weights = job.columns.weights + size_t(x) * count;
        float blue = 0.0f, green = 0.0f, red = 0.0f;
        for (int i = 0; i < count; ++i) {
            const float* pixel = mixed + size_t(at[i]) * 3;
            blue += weights[i] * pixel[0];
            green += weights[i] * pixel[1];
            red += weights[i] * pixel[2];
        }
        out[0] = red;
        out[1] = green;
        out[2] = blue;
    }
}

void frame_rows(const FrameJob& job, int begin, int end, void* scratch) {
    float* mixed = static_cast<float*>(scratch);
    const auto columns = job.columns.count == 4 ? mix_columns<4> : mix_columns<0>;
    for (int y = begin; y < end; ++y) {
        mix_rows(job, y, mixed);
        columns(job, mixed, job.resized + size_t(y) * job.network_w * 3);
    }
}

}  // namespace
