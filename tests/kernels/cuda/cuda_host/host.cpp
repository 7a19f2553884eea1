// Runs ERMU's CUDA kernels on a CPU: compiles the very .cu files, schedules a block's threads as fibers and
// offers `host_launch` to Python. Under AddressSanitizer the fibers are announced to it.
#include "cuda_host.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "identity/identity.cu"
#include "pixels/frame.cu"
#include "pixels/labels.cu"
#include "pixels/survey.cu"
#include "scoring/foreground.cu"
#include "scoring/gram.cu"
#include "scoring/masses.cu"
#include "scoring/quantise.cu"
#include "scoring/relevance.cu"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define ANNOUNCE_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define ANNOUNCE_ARRIVAL(fake, bottom, size) __sanitizer_finish_switch_fiber(fake, bottom, size)
#else
#define ANNOUNCE_SWITCH(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define ANNOUNCE_ARRIVAL(fake, bottom, size) ((void)(fake), (void)(bottom), (void)(size))
#endif

namespace host {

uint3 thread_index, block_index;
dim3 block_size, grid_size;
unsigned char exchanged[32][kWarp][16];

namespace {

constexpr size_t kStack = 128 * 1024;

enum class State { kReady, kAtBlockBarrier, kAtWarpBarrier, kDone };

// A place to go on from. Entered through ucontext, then switched by setjmp, which needs no system call; the
// sanitizer mistrusts jumps between stacks, so under it every switch is ucontext's.
struct Place {
    ucontext_t context;
    jmp_buf jump;
    bool entered = false;
};

void go(Place& from, Place& to) {
#if defined(__SANITIZE_ADDRESS__)
    swapcontext(&from.context, &to.context);
#else
    from.entered = true;
    if (_setjmp(from.jump) != 0) return;
    if (to.entered) _longjmp(to.jump, 1);
    setcontext(&to.context);
#endif
}

struct Fiber {
    Place place;
    std::unique_ptr<char[]> stack{new char[kStack]};
    void* fake_stack = nullptr;
    State state = State::kReady;
    uint3 index{};
};

std::vector<Fiber> fibers;
Fiber* current = nullptr;
Place scheduler;
void* scheduler_fake = nullptr;
const void* scheduler_stack = nullptr;
size_t scheduler_size = 0;
void (*entry)(const void*);
const void* arguments;

void give_way(State state) {
    Fiber* self = current;
    self->state = state;
    ANNOUNCE_SWITCH(state == State::kDone ? nullptr : &self->fake_stack, scheduler_stack, scheduler_size);
    go(self->place, scheduler);
    ANNOUNCE_ARRIVAL(self->fake_stack, &scheduler_stack, &scheduler_size);
}

void body() {
    ANNOUNCE_ARRIVAL(nullptr, &scheduler_stack, &scheduler_size);
    entry(arguments);
    give_way(State::kDone);
}

void resume(Fiber& fiber) {
    current = &fiber;
    thread_index = fiber.index;
    fiber.state = State::kReady;
    ANNOUNCE_SWITCH(&scheduler_fake, fiber.stack.get(), kStack);
    go(scheduler, fiber.place);
    ANNOUNCE_ARRIVAL(scheduler_fake, nullptr, nullptr);
}

// Whether every thread of [from, to) that still runs waits at the given barrier.
bool all_at(State barrier, size_t from, size_t to) {
    for (size_t i = from; i < to; ++i)
        if (fibers[i].state != barrier && fibers[i].state != State::kDone) return false;
    return true;
}

bool may_run(size_t i, bool block_met, const std::vector<char>& warp_met) {
    switch (fibers[i].state) {
        case State::kReady: return true;
        case State::kAtBlockBarrier: return block_met;
        case State::kAtWarpBarrier: return warp_met[i / kWarp] != 0;
        case State::kDone: return false;
    }
    return false;
}

// Runs every thread from barrier to barrier, odd rounds backwards so that no order can be relied on.
void run_block() {
    const size_t count = fibers.size();
    for (size_t round = 0; !all_at(State::kDone, 0, count); ++round) {
        const bool block_met = all_at(State::kAtBlockBarrier, 0, count);
        std::vector<char> warp_met((count + kWarp - 1) / kWarp);
        for (size_t w = 0; w < warp_met.size(); ++w)
            warp_met[w] = all_at(State::kAtWarpBarrier, w * kWarp, std::min(count, (w + 1) * kWarp));
        bool moved = false;
        for (size_t k = 0; k < count; ++k) {
            const size_t i = round % 2 ? count - 1 - k : k;
            if (!may_run(i, block_met, warp_met)) continue;
            resume(fibers[i]);
            moved = true;
        }
        if (!moved) {
            std::fprintf(stderr, "deadlock: the block's threads wait at different barriers\n");
            std::abort();
        }
    }
}

void prepare_fibers() {
    fibers.resize(size_t{block_size.x} * block_size.y * block_size.z);
    for (size_t i = 0; i < fibers.size(); ++i) {
        Fiber& fiber = fibers[i];
        const unsigned at = static_cast<unsigned>(i);
        fiber.index = {at % block_size.x, at / block_size.x % block_size.y, at / (block_size.x * block_size.y)};
        fiber.state = State::kReady;
        fiber.place.entered = false;
        getcontext(&fiber.place.context);
        fiber.place.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.place.context.uc_stack.ss_size = kStack;
        fiber.place.context.uc_link = &scheduler.context;
        makecontext(&fiber.place.context, body, 0);
    }
}

template <typename Params, void (*kernel)(Params)>
void call(const void* bytes) {
    Params params;
    std::memcpy(&params, bytes, sizeof params);
    kernel(params);
}

struct Kernel {
    const char* name;
    void (*entry)(const void*);
    size_t bytes;
};

template <typename Params, void (*kernel)(Params)>
constexpr Kernel named(const char* name) {
    return {name, call<Params, kernel>, sizeof(Params)};
}

#define KERNEL(params, name) named<params, name>(#name)

const Kernel kKernels[] = {
    KERNEL(MassParams, slot_sums_f32_d32),      KERNEL(MassParams, slot_sums_f16_d32),
    KERNEL(MassParams, slot_sums_f32_d128),     KERNEL(MassParams, slot_sums_f16_d128),
    KERNEL(MassParams, slot_codes_f32_d32),     KERNEL(MassParams, slot_codes_f16_d32),
    KERNEL(MassParams, slot_codes_f32_d128),    KERNEL(MassParams, slot_codes_f16_d128),
    KERNEL(MassParams, slot_sums_f32_d256),     KERNEL(MassParams, slot_sums_f16_d256),
    KERNEL(MassParams, slot_codes_f32_d256),    KERNEL(MassParams, slot_codes_f16_d256),
    KERNEL(CombineParams, combine_masses),      KERNEL(PickParams, pick_queries),
    KERNEL(WeighParams, weigh_masses),          KERNEL(QuantiseParams, quantise),
    KERNEL(RangeParams, channel_range_f32),     KERNEL(RangeParams, channel_range_f16),
    KERNEL(GramParams, key_gram_f32),           KERNEL(GramParams, key_gram_f16),
    KERNEL(CosineParams, slot_cosines),         KERNEL(ShareParams, redundancy_shares),
    KERNEL(ForegroundParams, foreground_f32),   KERNEL(ForegroundParams, foreground_f16),
    KERNEL(LabelParams, label_map_f32),         KERNEL(LabelParams, label_map_f16),
    KERNEL(SplitParams, split_groups),          KERNEL(FrameParams, prepare_frame_exact),
    KERNEL(FrameParams, prepare_frame_rounded), KERNEL(FrameParams, prepare_frame_fixed_point),
    KERNEL(Nv12Params, prepare_nv12_exact),     KERNEL(Nv12Params, prepare_nv12_rounded),
    KERNEL(Nv12Params, prepare_nv12_fixed_point),
    KERNEL(SurveyParams, clear_survey),         KERNEL(SurveyParams, survey_pixels),
    KERNEL(SurveyParams, survey_places_f32),    KERNEL(SurveyParams, survey_places_f16),
    KERNEL(IdentityParams, identity_tokens),
};

}  // namespace

void block_barrier() { give_way(State::kAtBlockBarrier); }
void warp_barrier() { give_way(State::kAtWarpBarrier); }

int linear_thread() {
    return static_cast<int>((thread_index.z * block_size.y + thread_index.y) * block_size.x + thread_index.x);
}
int warp_of_thread() { return linear_thread() / kWarp; }
int lane_of_thread() { return linear_thread() % kWarp; }

}  // namespace host

// Runs one kernel over the whole grid: 0 done, 1 unknown kernel, 2 parameters of another size.
extern "C" int host_launch(const char* name, const unsigned* grid, const unsigned* block, const void* params,
                           size_t bytes) {
    using namespace host;
    for (const Kernel& kernel : kKernels) {
        if (std::strcmp(kernel.name, name) != 0) continue;
        if (kernel.bytes != bytes) return 2;
        entry = kernel.entry;
        arguments = params;
        grid_size = {grid[0], grid[1], grid[2]};
        block_size = {block[0], block[1], block[2]};
        for (unsigned z = 0; z < grid[2]; ++z)
            for (unsigned y = 0; y < grid[1]; ++y)
                for (unsigned x = 0; x < grid[0]; ++x) {
                    block_index = {x, y, z};
                    prepare_fibers();
                    run_block();
                }
        return 0;
    }
    return 1;
}

// Name of the i-th kernel, null past the last.
extern "C" const char* host_kernel(size_t i) {
    return i < sizeof host::kKernels / sizeof host::kKernels[0] ? host::kKernels[i].name : nullptr;
}

// Device memory: each array its own block of exactly its size, so that a sanitizer sees reads past the end.
extern "C" void* host_alloc(size_t bytes) {
    void* memory = nullptr;
    return posix_memalign(&memory, 256, bytes) == 0 ? memory : nullptr;
}
extern "C" void host_free(void* memory) { std::free(memory); }
