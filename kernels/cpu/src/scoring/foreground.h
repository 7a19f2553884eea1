// How likely each token is not background.
#pragma once

namespace ermu {

// out (N) = 1 - softmax(logits (C, N))[0], C <= kMaxChannels; false where a logit is not finite.
bool foreground(const float* logits, int channels, int tokens, float* out);

}  // namespace ermu
