// Redundancy of the slots from the dot products of their keys.
#pragma once

namespace ermu {

// Step 3 of docs/spec/ermu.md, the temporal rows added to the products of keys without them.
struct RedundancyJob {
    const double* sums;  // (capacity, D): each slot's keys added up over the tokens
    const double* dots;  // (capacity, capacity, D): products of two slots' keys added up over the tokens
    const float* rows;   // (T, D)
    int slots, capacity, tokens, channels;
    double* out;  // (T), rounded to 4 decimals
};

void redundancy(const RedundancyJob& job);

}  // namespace ermu
