// Refuses NaN and infinity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ermu {

// Whether all numbers are finite; the loop has no early exit, so that it takes several numbers at a time.
inline bool all_finite(const float* values, size_t count) {
    uint32_t found = 0;
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        found |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !found;
}

}  // namespace ermu
