// Divides independent tasks over a few threads that live for one call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace ermu {

// Calls work(task) for every task in [0, tasks), each on one of `threads` threads, the caller's included.
template <typename Work>
void parallel_for(int tasks, int threads, Work work) {
    std::atomic<int> next{0};
    const auto run = [&] {
        for (int task = next++; task < tasks; task = next++) work(task);
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < std::min(threads, tasks); ++i) helpers.emplace_back(run);
    run();
    for (std::thread& helper : helpers) helper.join();
}

struct AlignedFree {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t{64}); }
};
using AlignedBytes = std::unique_ptr<void, AlignedFree>;

inline AlignedBytes aligned_bytes(size_t count) {
    return AlignedBytes(::operator new(count + 64, std::align_val_t{64}));
}

}  // namespace ermu
