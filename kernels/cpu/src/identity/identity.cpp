#include "identity/identity.h"

#include <algorithm>

#include "parallel.h"

namespace ermu {

namespace {

void embed_token(const IdentityJob& job, int token_y, int token_x, float* out) {
    const int y0 = token_y * kIdentityStride - job.padding, x0 = token_x * kIdentityStride - job.padding;
    const int begin = std::max(0, -x0), end = std::min(job.side, job.width - x0);
    std::copy_n(job.bias, job.channels, out);
    for (int ky = std::max(0, -y0); ky < std::min(job.side, job.height - y0); ++ky) {
        const uint8_t* row = job.label + size_t(y0 + ky) * job.width + x0;
        for (int kx = begin; kx < end;) {
            const int first = kx, label = row[kx];
            while (kx < end && row[kx] == label) ++kx;
            if (label >= job.labels) continue;
            const float* sums = job.table + (size_t(label) * job.side + ky) * (job.side + 1) * job.channels;
            const float *upper = sums + size_t(kx) * job.channels, *lower = sums + size_t(first) * job.channels;
            for (int c = 0; c < job.channels; ++c) out[c] += upper[c] - lower[c];
        }
    }
}

}  // namespace

void embed_identity(const IdentityJob& job, int threads) {
    const int h = (job.height - 1) / kIdentityStride + 1, w = (job.width - 1) / kIdentityStride + 1;
    parallel_for(h, threads, [&](int y) {
        for (int x = 0; x < w; ++x) embed_token(job, y, x, job.out + (size_t(y) * w + x) * job.channels);
    });
}

}  // namespace ermu
