// Windowed attention over all threads.
#pragma once

#include "kernels.h"

namespace ermu {

constexpr int kWindowKeys = 225;

// Fills job.out; false where a query, key, value or bias is not finite.
bool attend_window(const Isa& isa, WindowJob job, int threads);

}  // namespace ermu
