// Frame masses on one thread, for whatever instruction set the including file chose.
//
// Keys are taken in tiles of two vectors, transposed so that a lane is a key. A tile (4 KB at d = 32) stays
// in L1 while every query of the chunk passes over it; the attention exists only as the 2 x kRows vectors
// of the micro-kernel. Per query and head there is one running peak and one vector of running sums a slot.

namespace {

constexpr int kTile = 2 * kLanes;
constexpr float kSlack = 64.0f;  // logits may pass the peak by 2^64 before it is raised: raising is rare
constexpr int kWidest = 1024;    // channels of a head in quantised scoring
constexpr float kLog2E = 1.4426950408889634f;

inline int padded(int count, int block) { return (count + block - 1) / block * block; }

// Reads `count` consecutive numbers at `offset`, fp32 or fp16, into `out`, which has room for a vector more.
inline void read(const void* base, bool half, size_t offset, int count, float* out) {
    const float* full = static_cast<const float*>(base) + offset;
    const uint16_t* halves = static_cast<const uint16_t*>(base) + offset;
    int c = 0;
    for (; c + kLanes <= count; c += kLanes) store(out + c, half ? load_half(halves + c) : load(full + c));
    if (c == count) return;
    uint16_t rest[kLanes] = {};
    if (half) {
        for (int i = c; i < count; ++i) rest[i - c] = halves[i];
        store(out + c, load_half(rest));
    } else {
        for (int i = c; i < count; ++i) out[i] = full[i];
    }
}

// The first `count` numbers at p, zeros after them.
inline F load_first(const float* p, int count) {
    float values[kLanes] = {};
    for (int i = 0; i < count; ++i) values[i] = p[i];
    return load(values);
}

// Adds 0 times each of the values that `read` left: NaN once one of them is not finite.
inline F poisoned(const float* values, int count, F poison) {
    int c = 0;
    for (; c + kLanes <= count; c += kLanes) poison = fma(load(values + c), splat(0.0f), poison);
    return c < count ? fma(keep_first(load(values + c), count - c), splat(0.0f), poison) : poison;
}

// Adds one tile of products of one query to its slot's sums. A logit is product x unit, as a power of two; only
// its distance from the peak is ever rounded, so that huge logits stay exact. The peak is raised where the logits
// outgrow it; `safe` promises that they do not.
inline void absorb(F a, F b, float unit, int tail, bool safe, float& peak, float* sums) {
    if (!safe && any_above(a, b, splat((peak + kSlack) / unit))) {
        const float raised = highest(max(a, b)) * unit;
        store(sums, load(sums) * exp2(splat(peak - raised)));
        peak = raised;
    }
    const F scale = splat(unit), down = splat(-peak);
    F ea = exp2(fused(a, scale, down)), eb = exp2(fused(b, scale, down));
    if (tail < kTile) {
        ea = keep_first(ea, tail);
        eb = keep_first(eb, tail > kLanes ? tail - kLanes : 0);
    }
    store(sums, load(sums) + (ea + eb));
}

// Exact scoring: fp32 products of the queries and the keys.
struct Exact {
    static size_t query_bytes(int rows, int d) { return size_t(rows) * d * sizeof(float); }
    static size_t tile_bytes(int d) { return size_t(kTile) * padded(d, kLanes) * sizeof(float); }

    static float unit_of(const MassJob& job) { return kLog2E / __builtin_sqrtf(float(job.head_channels)); }
    static void put_query(const MassJob& job, const float* values, int row, void* panel) {
        const int d = job.head_channels;
        float* block = static_cast<float*>(panel) + size_t(row / kRows) * kRows * d + row % kRows;
        for (int c = 0; c < d; ++c) block[c * kRows] = values[c];
    }
    static void put_key(const MassJob& job, int slot, int head, float* values, int, void*) {
        const float* row = job.rows + size_t(slot) * job.channels() + head * job.head_channels;
        int c = 0;
        for (; c + kLanes <= job.head_channels; c += kLanes) store(values + c, load(values + c) + load(row + c));
        for (; c < job.head_channels; ++c) values[c] += row[c];
    }
    static void seal(const MassJob& job, const float* values, void* tile) {
        const int pitch = padded(job.head_channels, kLanes);
        for (int c = 0; c < pitch; c += kLanes)
            for (int lane = 0; lane < kTile; lane += kLanes)
                transpose(values + size_t(lane) * pitch + c, pitch, static_cast<float*>(tile) + c * kTile + lane, kTile);
    }
    // The greatest norm of a block's queries and of a tile's keys: multiplied they bound every logit.
    static float query_reach(const MassJob& job, const void* panel, int block) {
        const float* q = static_cast<const float*>(panel) + size_t(block) * kRows * job.head_channels;
        float squares[kRows] = {};
        for (int c = 0; c < job.head_channels; ++c, q += kRows)
            for (int i = 0; i < kRows; ++i) squares[i] += q[i] * q[i];
        float most = 0.0f;
        for (float square : squares) most = square > most ? square : most;
        return __builtin_sqrtf(most) * unit_of(job);
    }
    static float key_reach(const MassJob& job, const void* tile) {
        const float* k = static_cast<const float*>(tile);
        F left = splat(0.0f), right = left;
        for (int c = 0; c < job.head_channels; ++c, k += kTile) {
            left = fma(load(k), load(k), left);
            right = fma(load(k + kLanes), load(k + kLanes), right);
        }
        return __builtin_sqrtf(highest(max(left, right)));
    }
    static void multiply(const MassJob& job, const void* panel, int block, const void* tile, int tail, bool safe,
                         float* peaks, float* sums) {
        const int d = job.head_channels;
        const float* q = static_cast<const float*>(panel) + size_t(block) * kRows * d;
        const float* k = static_cast<const float*>(tile);
        F products[kRows][2];
        for (int i = 0; i < kRows; ++i) products[i][0] = products[i][1] = splat(0.0f);
        for (int c = 0; c < d; ++c, q += kRows, k += kTile) {
            const F left = load(k), right = load(k + kLanes);
            for (int i = 0; i < kRows; ++i) {
                const F x = splat(q[i]);
                products[i][0] = fma(x, left, products[i][0]);
                products[i][1] = fma(x, right, products[i][1]);
            }
        }
        const float unit = unit_of(job);
        for (int i = 0; i < kRows; ++i) absorb(products[i][0], products[i][1], unit, tail, safe, peaks[i], sums + i * kLanes);
    }
};

// Quantised scoring (spec/ermu.md, SQA): 8-bit codes; the queries' zero point becomes a bias of each key.
struct Quantised {
    static size_t query_bytes(int rows, int d) { return size_t(rows) * padded(d, kGroup) * sizeof(Code); }
    static size_t tile_bytes(int d) {
        return size_t(kTile) * (padded(d, kGroup) * sizeof(KeyCode) + sizeof(int32_t));
    }
    static int code(float value, int zero, float per_step) {
        const float level = __builtin_rintf(value * per_step) + float(zero);
        return int(level < -128.0f ? -128.0f : level > 127.0f ? 127.0f : level);
    }
    static int32_t* bias(void* tile) { return static_cast<int32_t*>(tile); }
    static KeyCode* codes(void* tile) { return reinterpret_cast<KeyCode*>(bias(tile) + kTile); }

    static void put_query(const MassJob& job, const float* values, int row, void* panel) {
        const int d = job.head_channels, wide = padded(d, kGroup);
        const float per_step = 1.0f / (job.quantum->step * __builtin_sqrtf(float(d)));
        Code* block = static_cast<Code*>(panel) + size_t(row / kRows) * kRows * wide + row % kRows * kGroup;
        for (int c = 0; c < wide; ++c) {
            const int level = c < d ? code(values[c], job.quantum->query_zero, per_step) + 128 : 0;
            block[c / kGroup * kRows * kGroup + c % kGroup] = static_cast<Code>(level);
        }
    }
    static void put_key(const MassJob& job, int slot, int head, float* values, int lane, void* tile) {
        const int d = job.head_channels;
        const float* shift = job.quantum->shift + size_t(slot) * job.channels() + head * d;
        const F per_step = splat(1.0f / job.quantum->step), zero = splat(float(job.quantum->key_zero));
        KeyCode narrow[kWidest + kLanes];
        for (int c = 0; c < d; c += kLanes) {
            const F moved = d - c >= kLanes ? load(shift + c) : load_first(shift + c, d - c);
            const F level = round((load(values + c) + moved) * per_step) + zero;
            store_codes(narrow + c, max(min(level, splat(127.0f)), splat(-128.0f)));
        }
        for (int c = d; c < padded(d, kGroup); ++c) narrow[c] = 0;
        KeyCode* column = codes(tile) + lane * kGroup;
        for (int c = 0; c < d; c += kGroup)
            __builtin_memcpy(column + size_t(c) * kTile, narrow + c, kGroup * sizeof(KeyCode));
    }
    // The keys' sums take the queries' zero point off again.
    static void seal(const MassJob& job, const float*, void* tile) {
        const Code ones[4] = {1, 1, 1, 1};
        const int32_t none[kLanes] = {};
        I left = load(none), right = left;
        for (int c = 0; c < padded(job.head_channels, kGroup); c += kGroup) {
            left = dot_codes(left, splat_codes(ones), load_codes(codes(tile) + size_t(c) * kTile));
            right = dot_codes(right, splat_codes(ones), load_codes(codes(tile) + size_t(c) * kTile + kLanes * kGroup));
        }
        store(bias(tile), left);
        store(bias(tile) + kLanes, right);
        for (int i = 0; i < kTile; ++i) bias(tile)[i] *= -(job.quantum->query_zero + 128);
    }
    // Codes carry the keys' zero point, which would make the bound useless: every tile is looked at.
    static float query_reach(const MassJob&, const void*, int) { return __builtin_inff(); }
    static float key_reach(const MassJob&, const void*) { return 1.0f; }
    static void multiply(const MassJob& job, const void* panel, int block, const void* tile, int tail, bool safe,
                         float* peaks, float* sums) {
        const int wide = padded(job.head_channels, kGroup);
        const Code* q = static_cast<const Code*>(panel) + size_t(block) * kRows * wide;
        const int32_t* start = bias(const_cast<void*>(tile));
        const KeyCode* k = codes(const_cast<void*>(tile));
        I products[kRows][2];
        for (int i = 0; i < kRows; ++i) {
            products[i][0] = load(start);
            products[i][1] = load(start + kLanes);
        }
        for (int c = 0; c < wide; c += kGroup, q += kRows * kGroup, k += kTile * kGroup) {
            const I left = load_codes(k), right = load_codes(k + kLanes * kGroup);
            for (int i = 0; i < kRows; ++i) {
                const I x = splat_codes(q + i * kGroup);
                products[i][0] = dot_codes(products[i][0], x, left);
                products[i][1] = dot_codes(products[i][1], x, right);
            }
        }
        const float unit = job.quantum->step * job.quantum->step * kLog2E;
        for (int i = 0; i < kRows; ++i)
            absorb(to_float(products[i][0]), to_float(products[i][1]), unit, tail, safe, peaks[i], sums + i * kLanes);
    }
};

// One thread's scratch, carved from a block of bytes.
struct Scratch {
    void *panel, *tile;
    float *values, *sums, *peaks, *slot_sums, *slot_peaks;
    float *reaches, *floors;  // of each block of queries: its greatest norm and its lowest peak
};

template <typename Arithmetic>
size_t carve(const MassJob& job, int rows, char* base, Scratch& out) {
    const int d = job.head_channels, all = padded(rows, kRows);
    size_t used = 0;
    const auto take = [&](size_t bytes) {
        char* at = base + used;
        used += (bytes + 63) / 64 * 64;
        return at;
    };
    const auto floats = [&](size_t count) { return reinterpret_cast<float*>(take(count * sizeof(float))); };
    out.panel = take(Arithmetic::query_bytes(all, d));
    out.tile = take(Arithmetic::tile_bytes(d));
    out.values = floats(size_t(kTile) * padded(d, kLanes));
    out.sums = floats(size_t(all) * kLanes);
    out.peaks = floats(all);
    out.slot_sums = floats(size_t(all) * job.slots);
    out.slot_peaks = floats(size_t(all) * job.slots);
    out.reaches = floats(all / kRows);
    out.floors = floats(all / kRows);
    return used;
}

template <typename Arithmetic>
bool put_queries(const MassJob& job, int head, int begin, int end, const Scratch& s) {
    const int d = job.head_channels;
    F poison = splat(0.0f);
    for (int row = 0; row < padded(end - begin, kRows); ++row) {
        const int picked = job.picked[begin + row < end ? begin + row : end - 1];
        read(job.query, job.half, size_t(picked) * job.channels() + head * d, d, s.values);
        poison = poisoned(s.values, d, poison);
        Arithmetic::put_query(job, s.values, row, s.panel);
        s.peaks[row] = -__builtin_inff();
    }
    for (int block = 0; block < padded(end - begin, kRows) / kRows; ++block) {
        s.reaches[block] = Arithmetic::query_reach(job, s.panel, block);
        s.floors[block] = -__builtin_inff();
    }
    return total(poison) == 0.0f;
}

// Asks for the keys of the tile after the one at `first`: a head's channels lie D apart, too far for the
// processor to foresee.
inline void fetch_next(const MassJob& job, int head, int slot, int first) {
    const size_t width = job.half ? 2 : 4;
    const char* base = static_cast<const char*>(job.keys) + size_t(head) * job.head_channels * width;
    const size_t pitch = job.channels() * width;
    const size_t from = size_t(slot) * job.tokens + first + kTile, stop = size_t(job.slots) * job.tokens;
    for (size_t token = from; token < from + kTile && token < stop; ++token)
        for (size_t byte = 0; byte < job.head_channels * width; byte += 64)
            __builtin_prefetch(base + token * pitch + byte);
}

// Packs the tile that starts at token `first`; past the last token it repeats that one.
template <typename Arithmetic>
bool put_keys(const MassJob& job, int head, int slot, int first, const Scratch& s) {
    const int d = job.head_channels;
    F poison = splat(0.0f);
    for (int lane = 0; lane < kTile; ++lane) {
        float* values = s.values + size_t(lane) * padded(d, kLanes);
        const int token = first + lane < job.tokens ? first + lane : job.tokens - 1;
        read(job.keys, job.half, (size_t(slot) * job.tokens + token) * job.channels() + head * d, d, values);
        poison = poisoned(values, d, poison);
        Arithmetic::put_key(job, slot, head, values, lane, s.tile);
    }
    Arithmetic::seal(job, s.values, s.tile);
    fetch_next(job, head, slot, first);
    return total(poison) == 0.0f;
}

// Shares of the slots in one query's attention, over the number of heads.
inline void spread(const MassJob& job, const float* sums, const float* peaks, float* masses) {
    float whole = 0.0f;
    const float peak = peaks[job.slots - 1];
    for (int t = 0; t < job.slots; ++t) {
        masses[t] = peaks[t] == peak ? sums[t] : sums[t] * __builtin_exp2f(peaks[t] - peak);
        whole += masses[t];
    }
    const float weight = 1.0f / (whole * float(job.heads));
    for (int t = 0; t < job.slots; ++t) masses[t] *= weight;
}

// Takes every query of the chunk over the packed tile; `tail` of its keys are real.
template <typename Arithmetic>
void pass_over(const MassJob& job, int blocks, int tail, const Scratch& s) {
    const float reach = Arithmetic::key_reach(job, s.tile);
    for (int block = 0; block < blocks; ++block) {
        float* peaks = s.peaks + block * kRows;
        const bool safe = s.reaches[block] * reach <= s.floors[block] + kSlack;
        Arithmetic::multiply(job, s.panel, block, s.tile, tail, safe, peaks, s.sums + size_t(block) * kRows * kLanes);
        if (safe) continue;
        s.floors[block] = peaks[0];
        for (int i = 1; i < kRows; ++i) s.floors[block] = peaks[i] < s.floors[block] ? peaks[i] : s.floors[block];
    }
}

template <typename Arithmetic>
bool score_with(const MassJob& job, int head, int begin, int end, void* memory, float* masses) {
    Scratch s;
    carve<Arithmetic>(job, end - begin, static_cast<char*>(memory), s);
    const int rows = padded(end - begin, kRows), T = job.slots;
    if (!put_queries<Arithmetic>(job, head, begin, end, s)) return false;
    for (int slot = 0; slot < T; ++slot) {
        __builtin_memset(s.sums, 0, size_t(rows) * kLanes * sizeof(float));
        for (int first = 0; first < job.tokens; first += kTile) {
            if (!put_keys<Arithmetic>(job, head, slot, first, s)) return false;
            pass_over<Arithmetic>(job, rows / kRows, job.tokens - first, s);
        }
        for (int row = 0; row < rows; ++row) {
            s.slot_sums[row * T + slot] = total(load(s.sums + size_t(row) * kLanes));
            s.slot_peaks[row * T + slot] = s.peaks[row];
        }
    }
    for (int row = 0; row < end - begin; ++row) {
        spread(job, s.slot_sums + row * T, s.slot_peaks + row * T, masses + size_t(row) * T);
    }
    return true;
}

size_t mass_scratch(const MassJob& job, int rows) {
    Scratch unused;
    return job.quantum ? carve<Quantised>(job, rows, nullptr, unused) : carve<Exact>(job, rows, nullptr, unused);
}

bool score(const MassJob& job, int head, int begin, int end, void* scratch, float* masses) {
    return job.quantum ? score_with<Quantised>(job, head, begin, end, scratch, masses)
                       : score_with<Exact>(job, head, begin, end, scratch, masses);
}

void channel_range(const MassJob& job, int slot, ChannelRange out) {
    constexpr int kBlock = 64;
    const int D = job.channels();
    const void* base = slot < 0 ? job.query : job.keys;
    const size_t offset = slot < 0 ? 0 : size_t(slot) * job.tokens * D;
    float values[kBlock + kLanes] = {};
    for (int start = 0; start < D; start += kBlock) {
        const int count = D - start < kBlock ? D - start : kBlock;
        float sum[kBlock] = {}, low[kBlock], high[kBlock];
        for (int c = 0; c < kBlock; ++c) {
            low[c] = __builtin_inff();
            high[c] = -__builtin_inff();
        }
        for (int n = 0; n < job.tokens; ++n) {
            read(base, job.half, offset + size_t(n) * D + start, count, values);
            for (int c = 0; c < kBlock; c += kLanes) {
                const F value = load(values + c);
                store(sum + c, load(sum + c) + value);
                store(low + c, min(load(low + c), value));
                store(high + c, max(load(high + c), value));
            }
        }
        for (int c = 0; c < count; ++c) {
            out.sum[start + c] = sum[c];
            out.low[start + c] = low[c];
            out.high[start + c] = high[c];
        }
    }
}

void channel_dots(const void* a, const void* b, bool half, int tokens, int channels, double* dots) {
    constexpr int kBlock = 64;
    float left[kBlock + kLanes] = {}, right[kBlock + kLanes];
    for (int start = 0; start < channels; start += kBlock) {
        const int count = channels - start < kBlock ? channels - start : kBlock;
        double sums[kBlock] = {};
        for (int c = 0; c < kBlock; ++c) right[c] = 1.0f;
        for (int n = 0; n < tokens; ++n) {
            const size_t offset = size_t(n) * channels + start;
            const float *x = left, *y = right;
            if (!half && count == kBlock) {
                x = static_cast<const float*>(a) + offset;
                if (b) y = static_cast<const float*>(b) + offset;
            } else {
                read(a, half, offset, count, left);
                if (b) read(b, half, offset, count, right);
            }
            for (int c = 0; c < kBlock; ++c) sums[c] += double(x[c]) * double(y[c]);
        }
        for (int c = 0; c < count; ++c) dots[start + c] += sums[c];
    }
}

}  // namespace
