#include "scoring/redundancy.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace ermu {

namespace {

constexpr double kNormFloor = 1e-12;

// Dot product over the tokens of channel c of slots i and j once their rows are added.
double dot_with_rows(const RedundancyJob& job, int i, int j, int c) {
    const size_t D = job.channels;
    const double at_i = job.rows[i * D + c], at_j = job.rows[j * D + c];
    return job.dots[(size_t(i) * job.capacity + j) * D + c] + at_j * job.sums[i * D + c] +
           at_i * job.sums[j * D + c] + job.tokens * at_i * at_j;
}

}  // namespace

void redundancy(const RedundancyJob& job) {
    const size_t T = job.slots, D = job.channels;
    std::vector<double> norms(T * D);
    for (size_t i = 0; i < T; ++i)
        for (size_t c = 0; c < D; ++c)
            norms[i * D + c] = std::max(std::sqrt(std::max(dot_with_rows(job, i, i, c), 0.0)), kNormFloor);
    std::fill_n(job.out, T, 0.0);
    double total = 0.0;
    for (size_t i = 0; i < T; ++i) {
        for (size_t j = 0; j < i; ++j) {
            double cosines = 0.0;
            for (size_t c = 0; c < D; ++c)
                cosines += dot_with_rows(job, i, j, c) / (norms[i * D + c] * norms[j * D + c]);
            job.out[i] += cosines;
            job.out[j] += cosines;
            total += 2.0 * cosines;
        }
    }
    for (size_t i = 0; i < T; ++i) job.out[i] = total == 0.0 ? 0.0 : std::nearbyint(job.out[i] / total * 1e4) / 1e4;
}

}  // namespace ermu
