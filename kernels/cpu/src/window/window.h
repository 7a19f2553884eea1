// Windowed attention over all threads.
#pragma once

#include "kernels.h"

namespace ermu {

// Fills job.out; false where a query, key, value, bias or relative value is not finite.
bool attend_window(const Isa& isa, WindowJob job, int threads);

}  // namespace ermu
