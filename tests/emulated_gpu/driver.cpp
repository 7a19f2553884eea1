// A stand-in for libcuda.so.1 over host memory, as lazy and as strict as CUDA allows.
//
// Device addresses are no host addresses and are never given twice, fresh memory is full of NaN, and a block ends
// at a page that nobody may touch. A stream's work runs as late as its order permits, so whatever forgot to wait
// reads what was there before. Kernels are the project's own, compiled for the host (`tests/kernels/cuda`).
#include <cuda.h>
#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kRegion = size_t{256} << 30, kPage = 4096, kAligned = 256;

// Never destroyed: the process may end in a thread that is inside.
template <typename T>
T& lasting() {
    static T* value = new T;
    return *value;
}

// Engines call back into Python, which needs the interpreter's lock: whoever waits here must not hold it.
class Lock {
  public:
    Lock() {
        if (mutex().try_lock()) return;
        using Held = int (*)();
        using Release = void* (*)();
        using Take = void (*)(void*);
        static auto held = reinterpret_cast<Held>(dlsym(RTLD_DEFAULT, "PyGILState_Check"));
        static auto release = reinterpret_cast<Release>(dlsym(RTLD_DEFAULT, "PyEval_SaveThread"));
        static auto take = reinterpret_cast<Take>(dlsym(RTLD_DEFAULT, "PyEval_RestoreThread"));
        void* thread = held && held() ? release() : nullptr;
        mutex().lock();
        if (thread) take(thread);
    }
    ~Lock() { mutex().unlock(); }

  private:
    static std::recursive_mutex& mutex() { return lasting<std::recursive_mutex>(); }
};

long long& counter(const char* name) { return lasting<std::map<std::string, long long>>()[name]; }

CUresult fault = CUDA_SUCCESS;  // ends the context: every later call returns it, until the context is reset

void complain(const char* what, unsigned long long address = 0) {
    std::fprintf(stderr, "emulated GPU: %s (%#llx)\n", what, address);
}

// ---- memory

struct Region {
    char *device, *host;
};
const Region& region() {
    static const Region found = [] {
        auto reserve = [] {
            return static_cast<char*>(
                mmap(nullptr, kRegion, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        };
        return Region{reserve(), reserve()};
    }();
    return found;
}

struct Block {
    size_t bytes, base, span;
};
std::map<size_t, Block>& blocks() { return lasting<std::map<size_t, Block>>(); }  // by offset in the region
std::map<uintptr_t, size_t>& pinned() { return lasting<std::map<uintptr_t, size_t>>(); }
size_t next_base = kPage;
long long chosen(const char* variable) {
    const char* text = std::getenv(variable);
    return text ? std::atoll(text) : 0;
}
long long fail_at = chosen("EMULATED_OUT_OF_MEMORY_AT");
const size_t memory_bytes = static_cast<size_t>(chosen("EMULATED_MEGABYTES") ? chosen("EMULATED_MEGABYTES") : 8192) << 20;

bool on_device(CUdeviceptr address) {
    const auto begin = reinterpret_cast<CUdeviceptr>(region().device);
    return address >= begin && address < begin + kRegion;
}

// Where a live block's bytes are on the host; null, and a complaint, where they are no such bytes.
char* host_of(CUdeviceptr address, size_t bytes) {
    if (!on_device(address)) return complain("no device address", address), nullptr;
    const size_t at = address - reinterpret_cast<CUdeviceptr>(region().device);
    auto next = blocks().upper_bound(at);
    if (next == blocks().begin() || at >= std::prev(next)->first + std::prev(next)->second.bytes)
        return complain("memory that was freed, or never allocated", address), nullptr;
    --next;
    if (at + bytes > next->first + next->second.bytes) return complain("past the end of a block", address), nullptr;
    return region().host + at;
}

// From the chosen allocation on: pycuda collects garbage and tries again.
bool refused() {
    if (fail_at > 1) return --fail_at, false;
    return fail_at == 1;
}

bool is_pinned(const void* memory, size_t bytes) {
    const auto at = reinterpret_cast<uintptr_t>(memory);
    auto next = pinned().upper_bound(at);
    if (next == pinned().begin()) return false;
    --next;
    return at + bytes <= next->first + next->second;
}

void unpin(uintptr_t memory) {  // whoever touches it later is ended
    munmap(reinterpret_cast<void*>(memory), pinned()[memory]);
    pinned().erase(memory), --counter("pinned_blocks");
}

void release(size_t at) {
    const Block block = blocks()[at];
    madvise(region().host + block.base, block.span, MADV_DONTNEED);
    mprotect(region().host + block.base, block.span, PROT_NONE);
    blocks().erase(at);
    counter("live_bytes") -= block.bytes, --counter("live_blocks");
}

// ---- streams

using Job = std::function<void()>;
struct Stream;
struct Point {  // in a stream's order of work
    Stream* stream;
    long long number;
};
struct Work {
    std::vector<Point> after;
    Job run;
};
struct Stream {
    bool blocking = true, capturing = false, spoiled = false;
    long long issued = 0, done = 0;
    std::deque<Work> waiting;
    std::vector<Point> after;  // of the next work
    std::thread::id capturer;
    std::vector<Job> captured;
};
struct Event {
    Point at{};
};
struct Graph {
    std::vector<Job> jobs;
};

std::set<Stream*>& streams() { return lasting<std::set<Stream*>>(); }
Stream& legacy() { return lasting<Stream>(); }
int running = 0;
std::vector<size_t>& dropped() { return lasting<std::vector<size_t>>(); }  // freed by a job that runs

void reach(Point point) {
    Stream* stream = point.stream;
    if (!stream || (stream != &legacy() && !streams().count(stream))) return;
    while (stream->done < point.number) {
        Work work = std::move(stream->waiting.front());
        stream->waiting.pop_front();
        for (const Point& earlier : work.after) reach(earlier);
        ++running;
        if (!fault) work.run();
        --running, ++stream->done;
    }
}
void reach_all() {  // the youngest stream first: nothing but events orders them
    if (running) return;
    std::vector<Stream*> all(streams().rbegin(), streams().rend());
    for (Stream* stream : all) reach({stream, stream->issued});
    reach({&legacy(), legacy().issued});
    for (size_t at : dropped()) release(at);
    dropped().clear();
}

Stream* known(CUstream handle) {
    auto* stream = reinterpret_cast<Stream*>(handle);
    if (!stream) return &legacy();
    return streams().count(stream) ? stream : nullptr;
}

// Whether this thread records a stream, which what it does now then spoils.
bool spoils_capture() {
    bool found = false;
    for (Stream* stream : streams())
        if (stream->capturing && stream->capturer == std::this_thread::get_id()) stream->spoiled = found = true;
    return found;
}

// Work in the legacy stream would wait for a blocking stream that is being recorded, in whatever thread: refused.
bool spoils_any_capture() {
    bool found = false;
    for (Stream* stream : streams())
        if (stream->capturing && stream->blocking) stream->spoiled = found = true;
    return found;
}

CUresult enqueue(CUstream handle, Job job) {
    Stream* stream = known(handle);
    if (!stream) return complain("a stream that was destroyed"), CUDA_ERROR_INVALID_HANDLE;
    if (stream->capturing) return stream->captured.push_back(std::move(job)), CUDA_SUCCESS;
    if (stream == &legacy() && spoils_any_capture()) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    static const bool idle = std::getenv("EMULATED_IDLE");  // no work is done: for measuring what the host does
    if (idle) return CUDA_SUCCESS;
    Work work{std::move(stream->after), std::move(job)};
    stream->after.clear();
    if (stream == &legacy()) {
        for (Stream* other : streams())
            if (other->blocking) work.after.push_back({other, other->issued});
    } else if (stream->blocking) {
        work.after.push_back({&legacy(), legacy().issued});
    }
    stream->waiting.push_back(std::move(work));
    ++stream->issued;
    return CUDA_SUCCESS;
}

void fail(CUresult how, const char* what) {
    complain(what);
    fault = how;
}

// Launches and runs of engines until one of them reads an illegal address; every so many, or once.
long long fault_in = chosen("EMULATED_FAULT_AT"), fault_every = chosen("EMULATED_FAULT_EVERY");
bool faulty(const char* what) {
    if (!fault_in || --fault_in) return false;
    fault_in = fault_every;
    return fail(CUDA_ERROR_ILLEGAL_ADDRESS, what), true;
}

// ---- kernels

using Launch = int (*)(const char*, const unsigned*, const unsigned*, const void*, size_t);
Launch launcher() {
    static const Launch found = [] {
        const char* path = std::getenv("EMULATED_KERNELS");
        void* library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
        if (!library) complain(path ? dlerror() : "EMULATED_KERNELS names no library");
        return library ? reinterpret_cast<Launch>(dlsym(library, "host_launch")) : nullptr;
    }();
    return found;
}

// Replaces the device addresses among a kernel's arguments by the host's; false where one is not alive.
bool translate(std::vector<uint64_t>& words) {
    for (uint64_t& word : words) {
        if (!on_device(word)) continue;
        char* host = host_of(word, 1);
        if (!host) return false;
        word = reinterpret_cast<uint64_t>(host);
    }
    return true;
}

// ---- contexts

int primary, other;  // the second for whoever creates a context of its own
unsigned primary_flags;  // CU_CTX_SCHED_AUTO, unless somebody says otherwise
struct Stack : std::vector<CUcontext> {
    ~Stack() {
        if (!empty()) complain("a thread ends with a context on its stack", size());
    }
};
thread_local Stack contexts;

}  // namespace

#define ALWAYS Lock lock;
#define UNLESS_LOST \
    Lock lock;      \
    if (fault) return fault;
#define IN_CONTEXT                                             \
    Lock lock;                                                 \
    if (contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT; \
    if (fault) return fault;

extern "C" {

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int* version) { return *version = CUDA_VERSION, CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int* count) { return *count = 1, CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice* device, int index) {
    return *device = index, index ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int size, CUdevice) {
    return std::snprintf(name, size, "Emulated GPU"), CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) { return *bytes = memory_bytes, CUDA_SUCCESS; }
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
    const bool major = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
    const bool minor = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
    return *value = major ? 8 : minor ? 9 : 1024, CUDA_SUCCESS;
}
CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice) {
    return *major = 8, *minor = 9, CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
    ALWAYS
    ++counter("contexts");
    return *context = reinterpret_cast<CUcontext>(&primary), CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice) {
    ALWAYS
    if (counter("contexts") == 0) return CUDA_ERROR_INVALID_CONTEXT;
    return --counter("contexts"), CUDA_SUCCESS;
}
// Whatever the context held is gone, with the fault, unless the device is one that a fault ends for good.
CUresult cuDevicePrimaryCtxReset(CUdevice) {
    ALWAYS
    for (Stream* stream : streams()) delete stream;
    streams().clear(), legacy() = {}, dropped().clear();
    while (!blocks().empty()) release(blocks().begin()->first);
    while (!pinned().empty()) unpin(pinned().begin()->first);
    if (!chosen("EMULATED_FAULT_STAYS")) fault = CUDA_SUCCESS;
    return CUDA_SUCCESS;
}
// Under the names that FFmpeg looks for, too.
#undef cuDevicePrimaryCtxRelease
#undef cuDevicePrimaryCtxReset
#undef cuDevicePrimaryCtxSetFlags
CUresult cuDevicePrimaryCtxRelease(CUdevice device) { return cuDevicePrimaryCtxRelease_v2(device); }
CUresult cuDevicePrimaryCtxReset(CUdevice device) { return cuDevicePrimaryCtxReset_v2(device); }
CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned* flags, int* active) {
    ALWAYS
    return *flags = primary_flags, *active = counter("contexts") > 0, CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice, unsigned flags) {
    ALWAYS
    return primary_flags = flags, CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
    return cuDevicePrimaryCtxSetFlags_v2(device, flags);
}
CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice) {
    contexts.push_back(reinterpret_cast<CUcontext>(&other));
    return *context = contexts.back(), CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext* context) {
    return *context = contexts.empty() ? nullptr : contexts.back(), CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent(CUcontext context) { return contexts.push_back(context), CUDA_SUCCESS; }
CUresult cuCtxPopCurrent(CUcontext* context) {
    if (contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    *context = contexts.back();
    return contexts.pop_back(), CUDA_SUCCESS;
}
CUresult cuCtxGetDevice(CUdevice* device) {
    return *device = 0, contexts.empty() ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}
CUresult cuCtxSynchronize() {
    IN_CONTEXT
    if (spoils_capture()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    ++counter("syncs");
    reach_all();
    return fault;
}

CUresult cuMemAlloc(CUdeviceptr* address, size_t bytes) {
    IN_CONTEXT
    if (spoils_capture()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    ++counter("allocations");
    const size_t body = (bytes + kAligned - 1) / kAligned * kAligned, span = (body + kPage - 1) / kPage * kPage;
    const size_t used = static_cast<size_t>(counter("live_bytes"));
    if (refused() || used + bytes > memory_bytes || next_base + span + kPage > kRegion) return CUDA_ERROR_OUT_OF_MEMORY;
    char* memory = region().host + next_base;
    if (mprotect(memory, span, PROT_READ | PROT_WRITE)) return CUDA_ERROR_OUT_OF_MEMORY;
    std::memset(memory, 0xff, span);
    const size_t at = next_base + span - body;
    blocks()[at] = {bytes, next_base, span};
    next_base += span + kPage;
    counter("live_bytes") += bytes, ++counter("live_blocks");
    *address = reinterpret_cast<CUdeviceptr>(region().device) + at;
    return CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr address) {
    IN_CONTEXT
    if (spoils_capture()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    const size_t at = address - reinterpret_cast<CUdeviceptr>(region().device);
    if (!on_device(address) || !blocks().count(at)) return complain("freed twice", address), CUDA_ERROR_INVALID_VALUE;
    ++counter("frees");
    dropped().push_back(at);
    reach_all();
    return fault;
}
CUresult cuMemGetInfo(size_t* free, size_t* total) {
    IN_CONTEXT
    *total = memory_bytes, *free = memory_bytes - static_cast<size_t>(counter("live_bytes"));
    return CUDA_SUCCESS;
}
CUresult cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    IN_CONTEXT
    ++counter("pinned_allocations");
    if (refused()) return CUDA_ERROR_OUT_OF_MEMORY;
    *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    ++counter("pinned_blocks");
    pinned()[reinterpret_cast<uintptr_t>(*memory)] = bytes;
    return CUDA_SUCCESS;
}
CUresult cuMemHostGetDevicePointer(CUdeviceptr* address, void* memory, unsigned) {
    IN_CONTEXT
    return *address = reinterpret_cast<CUdeviceptr>(memory), is_pinned(memory, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuMemAllocHost(void** memory, size_t bytes) { return cuMemHostAlloc(memory, bytes, 0); }
CUresult cuMemFreeHost(void* memory) {
    IN_CONTEXT
    reach_all();
    if (!pinned().count(reinterpret_cast<uintptr_t>(memory))) return CUDA_ERROR_INVALID_VALUE;
    return unpin(reinterpret_cast<uintptr_t>(memory)), fault;
}

static CUresult upload(CUdeviceptr to, const void* from, size_t bytes) {
    char* host = host_of(to, bytes);
    if (!host) return fault = CUDA_ERROR_ILLEGAL_ADDRESS;
    return std::memcpy(host, from, bytes), CUDA_SUCCESS;
}
static CUresult download(void* to, CUdeviceptr from, size_t bytes) {
    const char* host = host_of(from, bytes);
    if (!host) return fault = CUDA_ERROR_ILLEGAL_ADDRESS;
    return std::memcpy(to, host, bytes), CUDA_SUCCESS;
}
CUresult cuMemcpyHtoD(CUdeviceptr to, const void* from, size_t bytes) {
    IN_CONTEXT
    if (spoils_capture()) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    ++counter("uploads"), ++counter("syncs"), counter("pageable") += !is_pinned(from, bytes);
    reach_all();
    return fault ? fault : upload(to, from, bytes);
}
CUresult cuMemcpyDtoH(void* to, CUdeviceptr from, size_t bytes) {
    IN_CONTEXT
    if (spoils_capture()) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    ++counter("downloads"), ++counter("syncs"), counter("pageable") += !is_pinned(to, bytes);
    reach_all();
    return fault ? fault : download(to, from, bytes);
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
    IN_CONTEXT
    if (!host_of(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    ++counter("uploads");
    if (is_pinned(from, bytes)) return enqueue(stream, [=] { upload(to, from, bytes); });
    ++counter("pageable");  // staged by the driver: what is there now is what arrives
    const auto* first = static_cast<const char*>(from);
    std::vector<char> kept(first, first + bytes);
    return enqueue(stream, [=] { upload(to, kept.data(), bytes); });
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    IN_CONTEXT
    if (!host_of(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    ++counter("downloads");
    const CUresult queued = enqueue(stream, [=] { download(to, from, bytes); });
    if (queued || is_pinned(to, bytes)) return queued;
    ++counter("pageable"), ++counter("syncs");  // returns when it is done
    Stream* in = known(stream);
    reach({in, in->issued});
    return fault;
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    IN_CONTEXT
    if (!host_of(to, bytes) || !host_of(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    ++counter("copies");
    return enqueue(stream, [=] {
        char *target = host_of(to, bytes), *source = host_of(from, bytes);
        if (!target || !source) return fail(CUDA_ERROR_ILLEGAL_ADDRESS, "a copy of memory that is gone");
        std::memmove(target, source, bytes);
    });
}

// Rows of a picture; what goes to the host's plain memory is there when the call returns.
static CUresult copy_rows(const CUDA_MEMCPY2D& how, bool to_device, bool from_device) {
    for (size_t row = 0; row < how.Height; ++row) {
        const size_t to = (how.dstY + row) * how.dstPitch + how.dstXInBytes;
        const size_t from = (how.srcY + row) * how.srcPitch + how.srcXInBytes;
        char* target = to_device ? host_of(how.dstDevice + to, how.WidthInBytes) : static_cast<char*>(how.dstHost) + to;
        const char* source = from_device ? host_of(how.srcDevice + from, how.WidthInBytes)
                                         : static_cast<const char*>(how.srcHost) + from;
        if (!target || !source) return fail(CUDA_ERROR_ILLEGAL_ADDRESS, "a copy of rows that are gone"), fault;
        std::memmove(target, source, how.WidthInBytes);
    }
    return CUDA_SUCCESS;
}
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* given, CUstream stream) {
    IN_CONTEXT
    const CUDA_MEMCPY2D how = *given;
    const bool to = how.dstMemoryType == CU_MEMORYTYPE_DEVICE, from = how.srcMemoryType == CU_MEMORYTYPE_DEVICE;
    ++counter(to && from ? "row_copies" : to ? "uploads" : "downloads");
    if (!from) {  // staged by the driver, as any pageable memory
        Stream* in = known(stream);
        reach({in, in->issued});
        return fault ? fault : copy_rows(how, to, from);
    }
    const CUresult queued = enqueue(stream, [=] { copy_rows(how, to, from); });
    if (queued || to) return queued;
    ++counter("pageable"), ++counter("syncs");
    Stream* in = known(stream);
    reach({in, in->issued});
    return fault;
}
CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* given) { return cuMemcpy2DAsync_v2(given, nullptr); }

CUresult cuStreamCreate(CUstream* handle, unsigned flags) {
    IN_CONTEXT
    auto* stream = new Stream;
    stream->blocking = !(flags & CU_STREAM_NON_BLOCKING);
    streams().insert(stream);
    return *handle = reinterpret_cast<CUstream>(stream), CUDA_SUCCESS;
}
CUresult cuStreamDestroy(CUstream handle) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream || stream == &legacy()) return CUDA_ERROR_INVALID_HANDLE;
    reach({stream, stream->issued});
    streams().erase(stream);
    delete stream;
    return fault;
}
CUresult cuStreamSynchronize(CUstream handle) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capturing) return stream->spoiled = true, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    ++counter("syncs");
    reach({stream, stream->issued});
    return fault;
}
CUresult cuStreamQuery(CUstream handle) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    return stream->done == stream->issued ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    stream->after.push_back(reinterpret_cast<Event*>(event)->at);
    return CUDA_SUCCESS;
}
CUresult cuEventCreate(CUevent* event, unsigned) {
    IN_CONTEXT
    return *event = reinterpret_cast<CUevent>(new Event), CUDA_SUCCESS;
}
CUresult cuEventDestroy(CUevent event) {
    UNLESS_LOST
    return delete reinterpret_cast<Event*>(event), CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream handle) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    reinterpret_cast<Event*>(event)->at = {stream, stream->issued};
    return CUDA_SUCCESS;
}
CUresult cuEventQuery(CUevent event) {
    IN_CONTEXT
    const Point at = reinterpret_cast<Event*>(event)->at;
    return !at.stream || at.stream->done >= at.number ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
CUresult cuEventSynchronize(CUevent event) {
    const CUresult state = cuEventQuery(event);
    if (state != CUDA_ERROR_NOT_READY) return state;
    UNLESS_LOST
    ++counter("syncs");
    reach(reinterpret_cast<Event*>(event)->at);
    return fault;
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned, CUjit_option*, void**) {
    IN_CONTEXT
    const uint32_t fatbin = 0xBA55ED50u;
    if (std::memcmp(image, &fatbin, sizeof fatbin) != 0) return CUDA_ERROR_INVALID_IMAGE;
    return *module = reinterpret_cast<CUmodule>(new char), CUDA_SUCCESS;
}
CUresult cuModuleLoadData(CUmodule* module, const void* image) {
    return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}
CUresult cuModuleUnload(CUmodule module) {
    UNLESS_LOST
    return delete reinterpret_cast<char*>(module), CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
    IN_CONTEXT
    const unsigned none[3] = {};
    if (!launcher() || launcher()(name, none, none, nullptr, 0) == 1) return CUDA_ERROR_NOT_FOUND;
    auto& names = lasting<std::set<std::string>>();
    *function = reinterpret_cast<CUfunction>(const_cast<char*>(names.insert(name).first->c_str()));
    return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                        unsigned bz, unsigned, CUstream stream, void**, void** extra) {
    IN_CONTEXT
    const bool empty = !gx || !gy || !gz || !bx || !by || !bz;
    if (empty || gy > 65535 || gz > 65535 || size_t{bx} * by * bz > 1024) return CUDA_ERROR_INVALID_VALUE;
    const void* buffer = nullptr;
    size_t bytes = 0;
    for (void** entry = extra; entry && *entry != CU_LAUNCH_PARAM_END; entry += 2) {
        if (*entry == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = entry[1];
        if (*entry == CU_LAUNCH_PARAM_BUFFER_SIZE) bytes = *static_cast<size_t*>(entry[1]);
    }
    std::vector<uint64_t> given((bytes + 7) / 8);
    std::memcpy(given.data(), buffer, bytes);
    ++counter("launches");
    const char* name = reinterpret_cast<const char*>(function);
    return enqueue(stream, [=] {
        const unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
        std::vector<uint64_t> words = given;
        if (faulty(name)) return;
        if (!translate(words)) return fail(CUDA_ERROR_ILLEGAL_ADDRESS, name);
        if (launcher()(name, grid, block, words.data(), bytes)) fail(CUDA_ERROR_LAUNCH_FAILED, name);
    });
}

CUresult cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream || stream == &legacy() || stream->capturing) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    stream->capturing = true, stream->spoiled = false;
    stream->capturer = std::this_thread::get_id();
    stream->captured.clear();
    return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
    IN_CONTEXT
    Stream* stream = known(handle);
    if (!stream || !stream->capturing) return CUDA_ERROR_ILLEGAL_STATE;
    stream->capturing = false;
    *graph = nullptr;
    if (stream->spoiled) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return *graph = reinterpret_cast<CUgraph>(new Graph{stream->captured}), CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
    IN_CONTEXT
    *executable = reinterpret_cast<CUgraphExec>(new Graph(*reinterpret_cast<Graph*>(graph)));
    return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
    IN_CONTEXT
    ++counter("graph_launches");
    for (const Job& job : reinterpret_cast<Graph*>(executable)->jobs)
        if (const CUresult result = enqueue(stream, job)) return result;
    return CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec graph) {
    UNLESS_LOST
    return delete reinterpret_cast<Graph*>(graph), CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) {
    UNLESS_LOST
    return delete reinterpret_cast<Graph*>(graph), CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char** text) {
    static const std::map<int, const char*> known{{CUDA_ERROR_INVALID_VALUE, "invalid argument"},
                                                  {CUDA_ERROR_OUT_OF_MEMORY, "out of memory"},
                                                  {CUDA_ERROR_INVALID_CONTEXT, "invalid device context"},
                                                  {CUDA_ERROR_INVALID_IMAGE, "no kernel image is available"},
                                                  {CUDA_ERROR_NOT_FOUND, "named symbol not found"},
                                                  {CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access"},
                                                  {CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"}};
    const auto found = known.find(error);
    return *text = found == known.end() ? "an error of the emulated GPU" : found->second, CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult, const char** text) { return *text = "CUDA_ERROR", CUDA_SUCCESS; }

// ---- for what stands on the driver here, and for tests

// Work of the video decoder: `job(argument)` is called when the stream comes to it.
int emulated_work(CUstream stream, void (*job)(void*), void* argument) {
    IN_CONTEXT
    return enqueue(stream, [=] { job(argument); });
}
void emulated_note(const char* name, long long by) {
    ALWAYS
    counter(name) += by;
}

// Work of an engine: `job(argument)` is called when the stream comes to it; fails the device where it returns 0.
int emulated_enqueue(CUstream stream, int (*job)(long long), long long argument) {
    IN_CONTEXT
    ++counter("engine_runs");
    return enqueue(stream, [=] {
        if (faulty("an engine")) return;
        if (!job(argument)) fail(CUDA_ERROR_ILLEGAL_ADDRESS, "an engine could not run");
    });
}
void* emulated_address(CUdeviceptr address, size_t bytes) {
    ALWAYS
    return host_of(address, bytes);
}
int emulated_capturing(CUstream handle) {
    ALWAYS
    Stream* stream = known(handle);
    return stream && stream->capturing;
}
int emulated_pushed() { return static_cast<int>(contexts.size()); }
long long emulated_count(const char* name) {
    ALWAYS
    return counter(name);
}
// The n-th allocation and every later one fails, of device memory and pinned memory alike; 0: none.
void emulated_fail_allocation(long long number) {
    ALWAYS
    fail_at = number;
}
// The n-th launch or run of an engine from now reads an illegal address; 0: none.
void emulated_fail_launch(long long number) {
    ALWAYS
    fault_in = number;
}
}
