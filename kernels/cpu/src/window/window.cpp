// Divides windowed attention over threads: rows of the token grid.
#include "window/window.h"

#include "finite.h"
#include "parallel.h"

namespace ermu {

bool attend_window(const Isa& isa, WindowJob job, int threads) {
    const size_t tokens = size_t(job.height) * job.width;
    if (!all_finite(job.query, tokens * job.key_width) || !all_finite(job.key, tokens * job.key_width) ||
        !all_finite(job.value, tokens * job.value_width) || !all_finite(job.bias, tokens * kWindowKeys))
        return false;
    const AlignedBytes keys = aligned_bytes(sizeof(float) * isa.window_key_floats(job));
    const AlignedBytes values = aligned_bytes(sizeof(float) * isa.window_value_floats(job));
    job.keys = static_cast<float*>(keys.get());
    job.values = static_cast<float*>(values.get());
    parallel_for(job.height, threads, [&](int y) { isa.pack_window_row(job, y); });
    parallel_for(job.height, threads, [&](int y) {
        const AlignedBytes scratch = aligned_bytes(isa.window_scratch(job));
        isa.window_row(job, y, scratch.get());
    });
    return true;
}

}  // namespace ermu
