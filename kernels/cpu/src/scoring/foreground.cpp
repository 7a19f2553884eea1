#include "scoring/foreground.h"

#include <algorithm>
#include <cmath>

#include "finite.h"

namespace ermu {

bool foreground(const float* logits, int channels, int tokens, float* out) {
    if (!all_finite(logits, size_t(channels) * tokens)) return false;
    for (int n = 0; n < tokens; ++n) {
        float peak = logits[n], rest = 0.0f;
        for (int c = 1; c < channels; ++c) peak = std::max(peak, logits[size_t(c) * tokens + n]);
        for (int c = 1; c < channels; ++c) rest += std::exp(logits[size_t(c) * tokens + n] - peak);
        out[n] = rest / (rest + std::exp(logits[n] - peak));
    }
    return true;
}

}  // namespace ermu
