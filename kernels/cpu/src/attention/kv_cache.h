// A memory bank packed for attention, and reads of it over all threads.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace ermu {

// The precisions in which an instruction set of this processor attends.
std::vector<std::pair<const char*, const Reader*>> available_readers(const Isa& isa);

class KeyValueCache {
public:
    KeyValueCache(const Reader& reader, const BankShape& shape, int threads);

    // Packs keys (N, D) and values (N, Cv) into a slot, the next new one at most; false where one is not finite.
    bool write(int slot, const float* key, const float* value);
    // Answers `query` (N, D) from the slots that have rows (T, D), into out (N, Cv) and, unless null, masses
    // (N, T); false where a query or row is not finite.
    bool read(const float* query, const float* rows, int slots, float* out, float* masses) const;
    // A slot as its precision rounded it; `repack` makes the next new one of it, to the same bits.
    void unpack(int slot, const SlotCodes& to) const;
    void repack(const SlotCodes& from);
    // A cache of some of the slots, in this order; a slot's memory is shared until one of the two writes it anew.
    KeyValueCache sharing(const std::vector<int>& slots) const;

    int slots() const { return static_cast<int>(packed_.size()); }
    const BankShape& shape() const { return shape_; }

private:
    const Reader& reader_;
    BankShape shape_;
    int threads_;
    std::vector<std::shared_ptr<void>> packed_;
};

}  // namespace ermu
