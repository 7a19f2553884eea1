// A stand-in for libnvcuvid.so.1, the GPU's video decoder, on the emulated driver.
//
// It decodes nothing: the n-th picture asked for is the n-th of the file EMULATED_PICTURES, raw NV12 of the coded size.
// What it hands out it writes in the stream that it is given, as late as that stream runs; a surface that is mapped
// twice, or that is not there, is refused. The structs are as far as they are read here those of NVDECODE API 9 to 13.
#include <cuda.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" {
int emulated_work(CUstream stream, void (*job)(void*), void* argument);
void* emulated_address(CUdeviceptr address, size_t bytes);
void emulated_note(const char* name, long long by);
}

namespace {

struct Capabilities {
    int codec, chroma;
    unsigned depth_minus_8, reserved[3];
    unsigned char supported, decoders;
    unsigned short formats;
    unsigned most_width, most_height, most_macroblocks;
    unsigned short least_width, least_height;
};
struct Creation {
    unsigned long width, height, decode_surfaces;
    int codec, chroma;
    unsigned long flags, depth_minus_8, intra_only, most_width, most_height, reserved;
    short display[4];
    int format, deinterlacing;
    unsigned long target_width, target_height, output_surfaces;
};
struct Picture {
    int width_in_macroblocks, height_in_macroblocks, surface;
};
struct Processing {
    int progressive, second_field, top_first, unpaired;
    unsigned flags, reserved;
    unsigned long long raw_input;
    unsigned raw_input_pitch, raw_input_format;
    unsigned long long raw_output;
    unsigned raw_output_pitch, reserved1;
    CUstream stream;
};

struct Decoder {
    size_t width, height, pitch;
    long long decoded = 0;
    std::vector<long long> surfaces{};  // the number of the picture in each, -1 for none
    std::vector<CUdeviceptr> outputs{};
    std::vector<bool> mapped{};

    size_t bytes() const { return pitch * height * 3 / 2; }
};

struct Writing {
    CUdeviceptr to;
    size_t width, height, pitch;
    long long number;
};

void write(void* argument) {
    auto* job = static_cast<Writing*>(argument);
    auto* to = static_cast<char*>(emulated_address(job->to, job->pitch * job->height * 3 / 2));
    const size_t bytes = job->width * job->height * 3 / 2;
    std::vector<char> picture(bytes, '\x80');
    const char* path = std::getenv("EMULATED_PICTURES");
    FILE* file = path ? std::fopen(path, "rb") : nullptr;
    const bool there = file && !std::fseek(file, static_cast<long>(job->number * bytes), SEEK_SET) &&
                       std::fread(picture.data(), 1, bytes, file) == bytes;
    if (path && !there) std::fprintf(stderr, "emulated GPU: no picture %lld in %s\n", job->number, path);
    if (file) std::fclose(file);
    for (size_t row = 0; to && row < job->height * 3 / 2; ++row)
        std::memcpy(to + row * job->pitch, picture.data() + row * job->width, job->width);
    delete job;
}

}  // namespace

extern "C" {

CUresult cuvidGetDecoderCaps(Capabilities* found) {
    const bool nv12 = found->chroma == 1 && found->depth_minus_8 == 0;
    found->supported = nv12, found->decoders = 1, found->formats = 1;
    found->most_width = found->most_height = 8192, found->most_macroblocks = 1 << 18;
    found->least_width = found->least_height = 16;
    return CUDA_SUCCESS;
}
CUresult cuvidCreateDecoder(void** handle, Creation* wanted) {
    if (wanted->format || wanted->target_width % 2 || wanted->target_height % 2) return CUDA_ERROR_INVALID_VALUE;
    auto* decoder = new Decoder{wanted->target_width, wanted->target_height, (wanted->target_width + 511) / 512 * 512};
    decoder->surfaces.assign(wanted->decode_surfaces, -1);
    decoder->mapped.assign(wanted->output_surfaces, false);
    decoder->outputs.resize(wanted->output_surfaces);
    for (CUdeviceptr& output : decoder->outputs)
        if (const CUresult result = cuMemAlloc(&output, decoder->bytes())) return result;
    emulated_note("decoders", 1);
    return *handle = decoder, CUDA_SUCCESS;
}
CUresult cuvidDestroyDecoder(void* handle) {
    auto* decoder = static_cast<Decoder*>(handle);
    for (CUdeviceptr output : decoder->outputs) cuMemFree(output);
    emulated_note("decoders", -1);
    return delete decoder, CUDA_SUCCESS;
}
CUresult cuvidDecodePicture(void* handle, Picture* picture) {
    auto* decoder = static_cast<Decoder*>(handle);
    const auto surface = static_cast<size_t>(picture->surface);
    if (surface >= decoder->surfaces.size()) return CUDA_ERROR_INVALID_VALUE;
    decoder->surfaces[surface] = decoder->decoded++;
    emulated_note("pictures", 1);
    return CUDA_SUCCESS;
}
CUresult cuvidMapVideoFrame64(void* handle, int surface, unsigned long long* address, unsigned* pitch, Processing* how) {
    auto* decoder = static_cast<Decoder*>(handle);
    const auto at = static_cast<size_t>(surface);
    if (at >= decoder->surfaces.size() || decoder->surfaces[at] < 0) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < decoder->outputs.size(); ++i) {
        if (decoder->mapped[i]) continue;
        decoder->mapped[i] = true;
        *address = decoder->outputs[i], *pitch = static_cast<unsigned>(decoder->pitch);
        auto* job = new Writing{*address, decoder->width, decoder->height, decoder->pitch, decoder->surfaces[at]};
        return static_cast<CUresult>(emulated_work(how->stream, write, job));
    }
    return CUDA_ERROR_MAP_FAILED;
}
CUresult cuvidUnmapVideoFrame64(void* handle, unsigned long long address) {
    auto* decoder = static_cast<Decoder*>(handle);
    for (size_t i = 0; i < decoder->outputs.size(); ++i) {
        if (decoder->outputs[i] != address || !decoder->mapped[i]) continue;
        return decoder->mapped[i] = false, CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
}

// What FFmpeg's loader wants to see and its hardware decoding does not call.
#define UNUSED(name) \
    CUresult name() { return CUDA_ERROR_NOT_SUPPORTED; }
UNUSED(cuvidGetDecodeStatus)
UNUSED(cuvidReconfigureDecoder)
UNUSED(cuvidCtxLockCreate)
UNUSED(cuvidCtxLockDestroy)
UNUSED(cuvidCtxLock)
UNUSED(cuvidCtxUnlock)
UNUSED(cuvidCreateVideoSource)
UNUSED(cuvidCreateVideoSourceW)
UNUSED(cuvidDestroyVideoSource)
UNUSED(cuvidSetVideoSourceState)
UNUSED(cuvidGetVideoSourceState)
UNUSED(cuvidGetSourceVideoFormat)
UNUSED(cuvidGetSourceAudioFormat)
UNUSED(cuvidCreateVideoParser)
UNUSED(cuvidParseVideoData)
UNUSED(cuvidDestroyVideoParser)
}
