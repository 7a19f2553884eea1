#include "pixels/survey.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ermu {

namespace {

constexpr double kUnit = 4294967296.0;  // 1 / 2^-32
constexpr int kIdentities = 10;         // of a group

// Where the run of equal labels that begins at x ends.
int run_end(const uint8_t* row, int x, int width) {
    uint64_t same, next;
    std::memset(&same, row[x], sizeof same);
    int end = x + 1;
    for (; end + int(sizeof same) <= width; end += sizeof same) {
        std::memcpy(&next, row + end, sizeof next);
        if (next != same) break;
    }
    while (end < width && row[end] == row[x]) ++end;
    return end;
}

void survey_row(const SurveyJob& job, int y) {
    const uint8_t* row = job.source + size_t(y) * job.width;
    for (int x = 0, end; x < job.width; x = end) {
        end = run_end(row, x, job.width);
        if (row[x] == 0 || row[x] >= job.labels) continue;
        LabelSurvey& found = job.out[row[x]];
        found.area += end - x;
        found.x0 = std::min<int64_t>(found.x0, x);
        found.x1 = std::max<int64_t>(found.x1, end);
        found.y0 = std::min<int64_t>(found.y0, y);
        found.y1 = y + 1;
    }
}

// The probability that the softmax of its group gives a label.
float probability_of(const SurveyJob& job, int label, int place) {
    const int g = (label - 1) / kIdentities, channel = label - kIdentities * g;
    const size_t plane = size_t(job.in_h) * job.in_w;
    const float* logits = job.logits + size_t(g) * job.channels * plane + place;
    const uint8_t* active = job.active + size_t(g) * job.channels;
    if (!active[channel]) return 0.0f;
    float peak = logits[0], whole = 0.0f;
    for (int c = 1; c < job.channels; ++c)
        if (active[c]) peak = std::max(peak, logits[c * plane]);
    for (int c = 0; c < job.channels; ++c)
        if (active[c]) whole += std::exp(logits[c * plane] - peak);
    return std::exp(logits[channel * plane] - peak) / whole;
}

}  // namespace

void survey(const SurveyJob& job) {
    std::fill_n(job.out, job.labels, LabelSurvey{0, job.width, job.height, 0, 0, 0, 0});
    for (int y = 0; y < job.height; ++y) survey_row(job, y);
    for (int i = 0; i < job.in_h; ++i) {
        const uint8_t* row = job.source + size_t(job.rows[i]) * job.width;
        for (int j = 0; j < job.in_w; ++j) {
            const int label = row[job.columns[j]];
            if (label == 0 || label >= job.labels) continue;
            job.out[label].places += 1;
            job.out[label].probability += std::llrint(kUnit * probability_of(job, label, i * job.in_w + j));
        }
    }
}

}  // namespace ermu
