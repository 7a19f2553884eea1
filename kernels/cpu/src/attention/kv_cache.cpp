// Divides attention over threads: heads, and chunks of queries.
#include "attention/kv_cache.h"

#include <atomic>

#include "finite.h"
#include "isa/processor.h"

namespace ermu {

namespace {

constexpr size_t kOutBytes = 480 << 10;  // weighed values of a chunk of queries: half of an L2

int divided(int count, int by) { return (count + by - 1) / by; }

// Queries of one chunk: as many as keep their outputs in L2, in a number of chunks that divides over the threads.
int chunk_rows(const BankShape& shape, int block, int threads) {
    const int blocks = divided(shape.tokens, block);
    const size_t bytes = size_t(block) * 4 * (shape.key_head + shape.value_head);
    const int most = std::max(1, static_cast<int>(kOutBytes / bytes));
    int chunks = std::max(divided(blocks, most), divided(2 * threads, shape.heads));
    while (chunks * shape.heads % threads && chunks < blocks) ++chunks;
    return divided(blocks, std::min(chunks, blocks)) * block;
}

}  // namespace

std::vector<std::pair<const char*, const Reader*>> available_readers(const Isa& isa) {
    std::vector<std::pair<const char*, const Reader*>> found{{"fp32", &isa.fp32}};
#ifdef ERMU_X86
    if (&isa == &kAvx512 && processor().bf16) found.emplace_back("bf16", &kBf16Reader);
#endif
    found.emplace_back("int8", &isa.int8);
    return found;
}

KeyValueCache::KeyValueCache(const Reader& reader, const BankShape& shape, int threads)
    : reader_(reader), shape_(shape), threads_(threads) {}

bool KeyValueCache::write(int slot, const float* key, const float* value) {
    const size_t tokens = shape_.tokens;
    if (!all_finite(key, tokens * shape_.key_width()) || !all_finite(value, tokens * shape_.value_width()))
        return false;
    const size_t bytes = reader_.head_bytes(shape_);
    if (slot == slots()) packed_.emplace_back();
    if (packed_[slot].use_count() != 1) packed_[slot] = aligned_bytes(bytes * shape_.heads);
    std::atomic_thread_fence(std::memory_order_acquire);  // whoever let it go in another thread has read it
    char* memory = static_cast<char*>(packed_[slot].get());
    parallel_for(shape_.heads, threads_,
                 [&](int head) { reader_.pack(shape_, head, key, value, memory + head * bytes); });
    return true;
}

bool KeyValueCache::read(const float* query, const float* rows, int slots, float* out, float* masses) const {
    const size_t width = shape_.key_width(), plane = size_t(shape_.tokens) * slots;
    if (!all_finite(query, shape_.tokens * width) || !all_finite(rows, slots * width)) return false;
    std::vector<const void*> packed;
    for (int t = 0; t < slots; ++t) packed.push_back(packed_[t].get());
    const Reading job{shape_, query, rows, packed.data(), slots, out};
    const int count = chunk_rows(shape_, reader_.query_block, threads_), chunks = divided(shape_.tokens, count);
    std::vector<float> by_head(masses ? plane * (shape_.heads - 1) : 0);
    const auto masses_of = [&](int head) { return head ? by_head.data() + (head - 1) * plane : masses; };
    parallel_for(chunks * shape_.heads, threads_, [&](int task) {
        const int head = task / chunks, begin = task % chunks * count, end = std::min(begin + count, shape_.tokens);
        const AlignedBytes scratch = aligned_bytes(reader_.scratch(job, end - begin));
        float* own = masses ? masses_of(head) + size_t(begin) * slots : nullptr;
        reader_.attend(job, head, begin, end, scratch.get(), own);
    });
    for (int head = 1; masses && head < shape_.heads; ++head)
        for (size_t i = 0; i < plane; ++i) masses[i] += masses_of(head)[i];
    return true;
}

void KeyValueCache::unpack(int slot, const SlotCodes& to) const {
    const char* memory = static_cast<const char*>(packed_.at(slot).get());
    const size_t bytes = reader_.head_bytes(shape_);
    for (int head = 0; head < shape_.heads; ++head) reader_.unpack(shape_, head, memory + head * bytes, to);
}

void KeyValueCache::repack(const SlotCodes& from) {
    const size_t bytes = reader_.head_bytes(shape_);
    packed_.push_back(aligned_bytes(bytes * shape_.heads));
    char* memory = static_cast<char*>(packed_.back().get());
    for (int head = 0; head < shape_.heads; ++head) reader_.repack(shape_, head, from, memory + head * bytes);
}

KeyValueCache KeyValueCache::sharing(const std::vector<int>& slots) const {
    KeyValueCache cache(reader_, shape_, threads_);
    for (int slot : slots) cache.packed_.push_back(packed_.at(slot));
    return cache;
}

}  // namespace ermu
