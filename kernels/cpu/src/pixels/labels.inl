// Upsampling fused with the decision: the logits at source size exist a vector of pixels at a time.

namespace {

// Where a vector of output columns reads: lane i takes the column base + index[i] and the next, by weight[i].
struct Span {
    int32_t index[kLanes];
    float weight[kLanes];
    int32_t base;
    int32_t wide;  // the lanes reach past one vector of input columns (the logits are shrunk, not enlarged)
};

// Where the outputs of one axis lie on its inputs: corners on corners, or borders on borders.
struct Axis {
    double step, first;
    int inputs;

    double at(int output) const {
        const double position = output * step + first;
        return position > 0.0 ? position : 0.0;
    }
    int low(double position) const {
        const int tap = static_cast<int>(position);
        return tap < inputs - 1 ? tap : inputs - 1;
    }
};

inline Axis axis(bool align_corners, int outputs, int inputs) {
    if (align_corners) return {outputs > 1 ? double(inputs - 1) / (outputs - 1) : 0.0, 0.0, inputs};
    const double step = double(inputs) / outputs;
    return {step, 0.5 * step - 0.5, inputs};
}

inline Span span_at(const LabelJob& job, int x) {
    Span s;
    const Axis columns = axis(job.align_corners, job.source_w, job.in_w);
    for (int i = 0; i < kLanes; ++i) {
        const double position = columns.at(x + i < job.source_w ? x + i : job.source_w - 1);
        const int low = columns.low(position);
        if (i == 0) s.base = low;
        s.index[i] = low - s.base;
        s.weight[i] = static_cast<float>(position - low);
    }
    s.wide = s.index[kLanes - 1] >= kLanes;
    return s;
}

inline F interpolate(const float* row, const float* rise, const Span& s) {
    if (!s.wide) return fma(load(s.weight), pick(rise + s.base, s.index), pick(row + s.base, s.index));
    float values[kLanes];
    for (int i = 0; i < kLanes; ++i) {
        const int at = s.base + s.index[i];
        values[i] = row[at] + s.weight[i] * rise[at];
    }
    return load(values);
}

inline int row_pitch(const LabelJob& job) { return job.in_w + kLanes; }

// Interpolates all active channels vertically at source row y, and takes the rise to the next column.
inline void put_row(const LabelJob& job, int y, float* rows, float* rises) {
    const Axis along = axis(job.align_corners, job.source_h, job.in_h);
    const double position = along.at(y);
    const int low = along.low(position), high = low + 1 < job.in_h ? low + 1 : low;
    const float weight = static_cast<float>(position - low);
    const int pitch = row_pitch(job);
    for (int c = 0; c < job.groups * job.channels; ++c) {
        if (!job.active[c]) continue;
        const float* upper = job.logits + (size_t(c) * job.in_h + low) * job.in_w;
        const float* lower = job.logits + (size_t(c) * job.in_h + high) * job.in_w;
        float *row = rows + size_t(c) * pitch, *rise = rises + size_t(c) * pitch;
        for (int x = 0; x < job.in_w; ++x) row[x] = upper[x] + weight * (lower[x] - upper[x]);
        for (int x = 0; x + 1 < job.in_w; ++x) rise[x] = row[x + 1] - row[x];
        for (int x = job.in_w - 1; x < pitch; ++x) rise[x] = 0.0f;
        for (int x = job.in_w; x < pitch; ++x) row[x] = 0.0f;
    }
}

inline I decide_one(const LabelJob& job, const float* rows, const float* rises, const Span& s) {
    const int pitch = row_pitch(job);
    F best = interpolate(rows, rises, s);
    I label = splat_id(0);
    for (int c = 1; c < job.channels; ++c)
        if (job.active[c]) take_greater(interpolate(rows + c * pitch, rises + c * pitch, s), c, best, label);
    return label;
}

// Softmax within each group, background the product of backgrounds, the first maximum of all.
inline I decide_merged(const LabelJob& job, const float* rows, const float* rises, const Span& s) {
    const F least = splat(1e-5f), most = splat(1.0f - 1e-5f), log2_e = splat(1.4426950408889634f);
    const int pitch = row_pitch(job);
    F background = splat(1.0f), best = splat(-1.0f);
    I label = splat_id(0);
    for (int g = 0; g < job.groups; ++g) {
        const uint8_t* active = job.active + g * job.channels;
        F power[kMaxChannels], peak = splat(-__builtin_inff()), whole = splat(0.0f);
        for (int c = 0; c < job.channels; ++c) {
            const size_t at = size_t(g * job.channels + c) * pitch;
            if (active[c]) peak = max(peak, power[c] = interpolate(rows + at, rises + at, s));
        }
        for (int c = 0; c < job.channels; ++c)
            if (active[c]) whole = whole + (power[c] = exp2((power[c] - peak) * log2_e));
        background = background * divide(power[0], whole);
        for (int c = 1; c < job.channels; ++c)
            if (active[c]) take_greater(max(min(divide(power[c], whole), most), least), 10 * g + c, best, label);
    }
    // The background comes first, so it also wins ties: compare against the next smaller number.
    take_greater(max(min(background, most), least) * splat(1.0000001f), 0, best, label);
    return label;
}

size_t label_scratch(const LabelJob& job) {
    const size_t spans = (size_t(job.source_w) + kLanes - 1) / kLanes * sizeof(Span);
    return spans + 64 + 2 * size_t(job.groups) * job.channels * row_pitch(job) * sizeof(float);
}

void label_rows(const LabelJob& job, int begin, int end, void* scratch) {
    const int blocks = (job.source_w + kLanes - 1) / kLanes;
    Span* spans = static_cast<Span*>(scratch);
    float* rows = reinterpret_cast<float*>(spans + blocks);
    float* rises = rows + size_t(job.groups) * job.channels * row_pitch(job);
    for (int b = 0; b < blocks; ++b) spans[b] = span_at(job, b * kLanes);
    for (int y = begin; y < end; ++y) {
        put_row(job, y, rows, rises);
        uint8_t* out = job.source + size_t(y) * job.source_w;
        for (int b = 0; b < blocks; ++b) {
            const I label = job.groups == 1 ? decide_one(job, rows, rises, spans[b])
                                            : decide_merged(job, rows, rises, spans[b]);
            const int left = job.source_w - b * kLanes;
            uint8_t bytes[kLanes];
            store_bytes(left >= kLanes ? out + b * kLanes : bytes, label);
            if (left < kLanes) __builtin_memcpy(out + b * kLanes, bytes, left);
        }
    }
}

}  // namespace
