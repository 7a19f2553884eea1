// Divides each kernel over threads: queries into chunks, slots, or bands of rows.
#include "dispatch.h"

#include <cmath>
#include <limits>

#include "finite.h"
#include "isa/processor.h"
#include "parallel.h"

namespace ermu {

namespace {

constexpr int kChunkFloats = 32768;  // numbers of packed queries that stay in L2 beside a tile of keys
constexpr int kBandRows = 32;

int divided(int count, int by) { return (count + by - 1) / by; }

// Chunks of queries for each head: few, since each packs the keys anew, but enough for all threads.
int chunk_count(const MassJob& job, int query_block, int threads) {
    const int by_cache = divided(job.count * job.head_channels, kChunkFloats);
    const int by_threads = divided(threads, job.heads);
    return std::min(std::max(by_cache, by_threads), divided(job.count, query_block));
}

struct Range {
    std::vector<double> sum;
    std::vector<float> low, high;
    explicit Range(int channels) : sum(channels), low(channels), high(channels) {}
    ChannelRange view() { return {sum.data(), low.data(), high.data()}; }
};

// The zero point that centres [low, high] in the 256 levels.
int zero_point(double low, double high, double step) { return -static_cast<int>(std::nearbyint((low + high) / (2 * step))); }

}  // namespace

std::vector<const Isa*> available_isas() {
    std::vector<const Isa*> found;
#ifdef ERMU_X86
    const Processor here = processor();
    if (here.avx512) found.push_back(&kAvx512);
    if (here.avx2) found.push_back(&kAvx2);
#endif
#ifdef ERMU_ARM
    if (processor().i8mm) found.push_back(&kNeonI8mm);
    found.push_back(&kNeon);
#endif
    found.push_back(&kPortable);
    return found;
}

bool frame_masses(const Isa& isa, const MassJob& job, int threads) {
    if (!all_finite(job.rows, size_t(job.slots) * job.channels())) return false;
    const int chunks = chunk_count(job, isa.query_block, threads);
    const int rows = divided(divided(job.count, chunks), isa.query_block) * isa.query_block;
    const size_t plane = size_t(job.count) * job.slots;
    std::vector<float> by_head(plane * (job.heads - 1));
    const auto masses_of = [&](int head) { return head ? by_head.data() + (head - 1) * plane : job.masses; };

    std::atomic<bool> finite{true};
    parallel_for(chunks * job.heads, threads, [&](int task) {
        const int head = task % job.heads, begin = task / job.heads * rows, end = std::min(begin + rows, job.count);
        if (begin >= end || !finite) return;
        const AlignedBytes scratch = aligned_bytes(isa.mass_scratch(job, rows));
        float* masses = masses_of(head) + size_t(begin) * job.slots;
        if (!isa.score(job, head, begin, end, scratch.get(), masses)) finite = false;
    });
    for (int head = 1; head < job.heads; ++head)
        for (size_t i = 0; i < plane; ++i) job.masses[i] += masses_of(head)[i];
    return finite;
}

bool quantised_masses(const Isa& isa, MassJob job, float step, int threads) {
    const int D = job.channels(), T = job.slots;
    std::vector<Range> ranges(T + 1, Range(D));
    parallel_for(T + 1, threads, [&](int i) { isa.channel_range(job, i - 1, ranges[i].view()); });

    const float least = *std::min_element(ranges[0].low.begin(), ranges[0].low.end());
    const float most = *std::max_element(ranges[0].high.begin(), ranges[0].high.end());
    const double scale = 1.0 / std::sqrt(double(job.head_channels));
    std::vector<float> shift(size_t(T) * D);
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (int c = 0; c < D; ++c) {
        double mean = 0.0;
        for (int t = 0; t < T; ++t) mean += ranges[t + 1].sum[c] / job.tokens + job.rows[size_t(t) * D + c];
        mean /= T;
        if (!std::isfinite(mean) || !std::isfinite(ranges[0].sum[c])) return false;
        for (int t = 0; t < T; ++t) {
            const double added = job.rows[size_t(t) * D + c] - mean;
            shift[size_t(t) * D + c] = static_cast<float>(added);
            low = std::min(low, ranges[t + 1].low[c] + added);
            high = std::max(high, ranges[t + 1].high[c] + added);
        }
    }
    const Quantisation quantum{step, zero_point(least * scale, most * scale, step), zero_point(low, high, step), shift.data()};
    job.quantum = &quantum;
    return frame_masses(isa, job, threads);
}

void slot_dots(const Isa& isa, const void* keys, bool half, int slot, int slots, int tokens, int channels,
               double* sums, double* dots, int threads) {
    const size_t bytes = size_t(tokens) * channels * (half ? 2 : 4);
    const char* base = static_cast<const char*>(keys);
    const char* fresh = base + slot * bytes;
    std::fill_n(sums, channels, 0.0);
    std::fill_n(dots, size_t(slots) * channels, 0.0);
    parallel_for(slots + 1, threads, [&](int task) {
        if (task == slots) {
            isa.channel_dots(fresh, nullptr, half, tokens, channels, sums);
        } else {
            isa.channel_dots(fresh, base + task * bytes, half, tokens, channels, dots + size_t(task) * channels);
        }
    });
}

void resize_frame(const Isa& isa, const FrameJob& job, int network_h, int threads) {
    parallel_for(divided(network_h, kBandRows), threads, [&](int band) {
        const AlignedBytes scratch = aligned_bytes(isa.frame_scratch(job));
        isa.frame_rows(job, band * kBandRows, std::min((band + 1) * kBandRows, network_h), scratch.get());
    });
}

void label_maps(const Isa& isa, const LabelJob& job, int network_h, int network_w, uint8_t* network, int threads) {
    parallel_for(divided(job.source_h, kBandRows), threads, [&](int band) {
        const AlignedBytes scratch = aligned_bytes(isa.label_scratch(job));
        isa.label_rows(job, band * kBandRows, std::min((band + 1) * kBandRows, job.source_h), scratch.get());
    });
    const double step_y = 1.0 / (double(network_h) / job.source_h), step_x = 1.0 / (double(network_w) / job.source_w);
    std::vector<int> columns(network_w);
    for (int x = 0; x < network_w; ++x) columns[x] = std::min(int(x * step_x), job.source_w - 1);
    const size_t plane = size_t(network_h) * network_w;
    parallel_for(divided(network_h, kBandRows), threads, [&](int band) {
        for (int y = band * kBandRows; y < std::min((band + 1) * kBandRows, network_h); ++y) {
            const uint8_t* row = job.source + size_t(std::min(int(y * step_y), job.source_h - 1)) * job.source_w;
            for (int g = 0; g < job.groups; ++g) {
                uint8_t* out = network + g * plane + size_t(y) * network_w;
                for (int x = 0; x < network_w; ++x) {
                    const int own = row[columns[x]] - 10 * g;
                    out[x] = static_cast<uint8_t>(own > 0 && own <= 10 ? own : 0);
                }
            }
        }
    });
}

}  // namespace ermu
