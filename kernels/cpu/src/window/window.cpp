// Divides windowed attention over threads: heads, and in each the rows of the token grid.
#include "window/window.h"

#include "finite.h"
#include "parallel.h"

namespace ermu {

namespace {

constexpr size_t kWindowKeys = 225;

AlignedBytes aligned_floats(size_t count) { return aligned_bytes(sizeof(float) * count); }

// Whether all that is given for the tokens of grid row y is finite.
bool finite_row(const WindowJob& job, int y) {
    const auto finite = [&](const float* values, size_t width) {
        return all_finite(values + size_t(y) * job.width * width, job.width * width);
    };
    for (int head = 0; head < job.heads; ++head)
        if (!finite(job.bias + size_t(head) * job.tokens() * kWindowKeys, kWindowKeys)) return false;
    return finite(job.query, job.key_width()) && finite(job.key, job.key_width()) && finite(job.value, job.value_width());
}

}  // namespace

bool attend_window(const Isa& isa, WindowJob job, int threads) {
    const AlignedBytes keys = aligned_floats(isa.window_key_floats(job));
    const AlignedBytes values = aligned_floats(isa.window_value_floats(job));
    const AlignedBytes relatives = aligned_floats(job.relative ? isa.window_relative_floats(job) : 0);
    job.keys = static_cast<float*>(keys.get());
    job.values = static_cast<float*>(values.get());
    job.relatives = static_cast<float*>(relatives.get());
    if (job.relative && !all_finite(job.relative, job.value_width() * kWindowKeys)) return false;
    std::atomic<bool> finite{true};
    parallel_for(job.height + (job.relative ? job.heads : 0), threads, [&](int task) {
        if (task >= job.height) return isa.pack_window_relative(job, task - job.height);
        if (!finite_row(job, task)) finite = false;
        isa.pack_window_row(job, task);
    });
    if (!finite) return false;
    parallel_for(job.heads * job.height, threads, [&](int task) {
        const AlignedBytes scratch = aligned_bytes(isa.window_scratch(job));
        isa.window_row(job, task / job.height, task % job.height, scratch.get());
    });
    return true;
}

}  // namespace ermu
