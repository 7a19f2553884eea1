// Half precision for the host build of the CUDA kernels.
#pragma once

#include <cstring>

struct __half {
    unsigned short bits;
};

inline __half __ushort_as_half(unsigned short bits) { return {bits}; }

inline float __half2float(__half h) {
    _Float16 value;
    std::memcpy(&value, &h.bits, sizeof value);
    return static_cast<float>(value);
}
