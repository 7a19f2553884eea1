// Statistics of each channel over the tokens of a slot, on one thread.

namespace {

constexpr int kStrip = 4 * kLanes;  // channels at a time: their statistics stay in registers

void channel_range(const MassJob& job, int slot, ChannelRange out) {
    const int D = job.channels();
    const void* base = slot < 0 ? job.query : job.keys;
    const size_t offset = slot < 0 ? 0 : size_t(slot) * job.tokens * D;
    float copy[kStrip + kLanes], results[3 * kStrip];
    for (int start = 0; start < D; start += kStrip) {
        const int count = least(kStrip, D - start);
        F sum[4], low[4], high[4];
        for (int j = 0; j < 4; ++j) {
            sum[j] = splat(0.0f);
            low[j] = splat(__builtin_inff());
            high[j] = splat(-__builtin_inff());
        }
        for (int n = 0; n < job.tokens; ++n) {
            const float* values = numbers_at(base, job.half, offset + size_t(n) * D + start, count, copy);
            for (int j = 0; j < 4; ++j) {
                const F value = load_first(values + j * kLanes, count - j * kLanes);
                sum[j] = sum[j] + value;
                low[j] = min(low[j], value);
                high[j] = max(high[j], value);
            }
        }
        for (int j = 0; j < 4; ++j) {
            store(results + j * kLanes, sum[j]);
            store(results + kStrip + j * kLanes, low[j]);
            store(results + 2 * kStrip + j * kLanes, high[j]);
        }
        for (int c = 0; c < count; ++c) {
            out.sum[start + c] = results[c];
            out.low[start + c] = results[kStrip + c];
            out.high[start + c] = results[2 * kStrip + c];
        }
    }
}

void channel_dots(const void* a, const void* b, bool half, int tokens, int channels, double* dots) {
    constexpr int kBlock = 64;
    float left[kBlock + kLanes] = {}, right[kBlock + kLanes];
    for (int start = 0; start < channels; start += kBlock) {
        const int count = least(kBlock, channels - start);
        const bool direct = !half && count == kBlock;
        double sums[kBlock] = {};
        for (int c = 0; c < kBlock; ++c) right[c] = 1.0f;
        for (int n = 0; n < tokens; ++n) {
            const size_t offset = size_t(n) * channels + start;
            const float *x = left, *y = right;
            if (direct) {
                x = static_cast<const float*>(a) + offset;
                if (b) y = static_cast<const float*>(b) + offset;
            } else {
                copy_numbers(a, half, offset, count, left);
                if (b) copy_numbers(b, half, offset, count, right);
            }
            for (int c = 0; c < kBlock; ++c) sums[c] += double(x[c]) * double(y[c]);
        }
        for (int c = 0; c < count; ++c) dots[start + c] += sums[c];
    }
}

}  // namespace
