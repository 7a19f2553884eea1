// Bicubic resizing in single precision: rows first, where neighbours lie side by side, then columns.

namespace {

inline size_t row_values(const FrameJob& job) { return size_t(job.source_w) * 3; }

size_t frame_scratch(const FrameJob& job) { return row_values(job) * sizeof(float); }

// The source at network row y: four rows weighed.
inline void mix_rows(const FrameJob& job, int y, float* mixed) {
    const CubicTap& tap = job.rows[y];
    const size_t values = row_values(job);
    const uint8_t *a = job.frame + tap.at[0] * values, *b = job.frame + tap.at[1] * values;
    const uint8_t *c = job.frame + tap.at[2] * values, *d = job.frame + tap.at[3] * values;
    const float wa = tap.weight[0], wb = tap.weight[1], wc = tap.weight[2], wd = tap.weight[3];
    for (size_t i = 0; i < values; ++i) mixed[i] = a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd;
}

void frame_rows(const FrameJob& job, int begin, int end, void* scratch) {
    float* mixed = static_cast<float*>(scratch);
    for (int y = begin; y < end; ++y) {
        mix_rows(job, y, mixed);
        float* out = job.resized + size_t(y) * job.network_w * 3;
        for (int x = 0; x < job.network_w; ++x, out += 3) {
            const CubicTap& tap = job.columns[x];
            float blue = 0.0f, green = 0.0f, red = 0.0f;
            for (int i = 0; i < 4; ++i) {
                const float* pixel = mixed + size_t(tap.at[i]) * 3;
                blue += tap.weight[i] * pixel[0];
                green += tap.weight[i] * pixel[1];
                red += tap.weight[i] * pixel[2];
            }
            out[0] = red;
            out[1] = green;
            out[2] = blue;
        }
    }
}

}  // namespace
