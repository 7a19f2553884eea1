// What a label map shows of every label: area, box, and how sure the network is where its logits lie.
#pragma once

#include <cstdint>

namespace ermu {

struct LabelSurvey {
    int64_t area, x0, y0, x1, y1;  // pixels; x1 and y1 exclusive
    int64_t places, probability;   // places of the logits, and a sum over them in units of 2^-32
};

struct SurveyJob {
    const float* logits;    // (G, C, h4, w4)
    const uint8_t* active;  // (G, C)
    int channels, in_h, in_w;
    const int32_t *rows, *columns;  // (h4), (w4): the pixel nearest to each place of the logits
    const uint8_t* source;          // (H, W), 10 * g + k
    int height, width;
    int labels;
    LabelSurvey* out;  // (labels)
};

void survey(const SurveyJob& job);

}  // namespace ermu
