// Identity tokens: a strided convolution of a label map's one-hot planes, by runs of equal labels.
#pragma once

#include <cstdint>

namespace ermu {

constexpr int kIdentityStride = 16;

// `table` (labels, side, side + 1, C) holds the filters' running sums along x, so that a run of equal labels in one
// row of a filter costs one difference. Labels from `labels` on, and what lies outside the map, add nothing.
struct IdentityJob {
    const float* table;
    const float* bias;  // (C)
    int labels, side, padding, channels;
    const uint8_t* label;  // (H, W)
    int height, width;
    float* out;  // (h, w, C), h = ceil(H / 16)
};

void embed_identity(const IdentityJob& job, int threads);

}  // namespace ermu
