// The CPU kernels over all threads: what the Python binding calls.
#pragma once

#include <vector>

#include "kernels.h"

namespace ermu {

// The instruction sets that this processor runs, best first.
std::vector<const Isa*> available_isas();

// Fills job.masses; false where a query, key or row is not finite.
bool frame_masses(const Isa& isa, const MassJob& job, int threads);

// The same with 8-bit codes; the zero points and the mean key are taken from the whole of query and keys.
bool quantised_masses(const Isa& isa, MassJob job, float step, int threads);

// sums (D) of one slot's keys and dots (T, D) of that slot with every slot.
void slot_dots(const Isa& isa, const void* keys, bool half, int slot, int slots, int tokens, int channels,
               double* sums, double* dots, int threads);

// Fills job.resized.
void resize_frame(const Isa& isa, const FrameJob& job, int network_h, int threads);

// Fills job.source and network (G, Hn, Wn).
void label_maps(const Isa& isa, const LabelJob& job, int network_h, int network_w, uint8_t* network, int threads);

}  // namespace ermu
