// The Python module `ermu.kernels.cpu._native`: results are written into the arrays given, which the callers in
// `ermu/kernels/cpu` have checked. Whatever returns a bool says whether all inputs were finite.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "attention/kv_cache.h"
#include "dispatch.h"
#include "identity/identity.h"
#include "pixels/survey.h"
#include "scoring/foreground.h"
#include "scoring/redundancy.h"
#include "window/window.h"

namespace py = pybind11;

namespace {

template <typename T>
using Contiguous = py::array_t<T, py::array::c_style>;

const ermu::Isa& isa_named(const std::string& name) {
    for (const ermu::Isa* isa : ermu::available_isas())
        if (name == isa->name) return *isa;
    throw std::invalid_argument("this processor has no " + name);
}

bool is_half(const py::array& array) { return array.itemsize() == 2; }

int side(const py::array& array, int axis) { return static_cast<int>(array.shape(axis)); }

bool frame_masses(const std::string& isa, const py::array& query, const py::array& keys, const Contiguous<float>& rows,
                  int heads, const Contiguous<int32_t>& picked, float step, Contiguous<float>& out, int threads) {
    ermu::MassJob job{};
    job.query = query.data();
    job.keys = keys.data();
    job.rows = rows.data();
    job.half = is_half(query);
    job.picked = picked.data();
    job.count = side(picked, 0);
    job.slots = side(keys, 0);
    job.tokens = side(keys, 1);
    job.heads = heads;
    job.head_channels = side(keys, 2) / heads;
    job.masses = out.mutable_data();
    const ermu::Isa& chosen = isa_named(isa);
    py::gil_scoped_release unlocked;
    return step > 0.0f ? ermu::quantised_masses(chosen, job, step, threads) : ermu::frame_masses(chosen, job, threads);
}

void slot_dots(const std::string& isa, const py::array& keys, int slot, Contiguous<double>& sums,
               Contiguous<double>& dots, int threads) {
    double *sums_out = sums.mutable_data(), *dots_out = dots.mutable_data();
    const ermu::Isa& chosen = isa_named(isa);
    const void* data = keys.data();
    const bool half = is_half(keys);
    const int slots = side(keys, 0), tokens = side(keys, 1), channels = side(keys, 2);
    py::gil_scoped_release unlocked;
    ermu::slot_dots(chosen, data, half, slot, slots, tokens, channels, sums_out, dots_out, threads);
}

void redundancy(const Contiguous<double>& sums, const Contiguous<double>& dots, const Contiguous<float>& rows, int tokens,
                Contiguous<double>& out) {
    const ermu::RedundancyJob job{sums.data(),   dots.data(), rows.data(),        side(rows, 0),
                                  side(sums, 0), tokens,      side(rows, 1), out.mutable_data()};
    py::gil_scoped_release unlocked;
    ermu::redundancy(job);
}

bool foreground(const Contiguous<float>& logits, Contiguous<float>& out) {
    const float* from = logits.data();
    float* to = out.mutable_data();
    const int channels = side(logits, 0), tokens = side(logits, 1);
    py::gil_scoped_release unlocked;
    return ermu::foreground(from, channels, tokens, to);
}

void label_maps(const std::string& isa, const Contiguous<float>& logits, const Contiguous<uint8_t>& active,
                bool align_corners, Contiguous<uint8_t>& source, Contiguous<uint8_t>& network, int threads) {
    const ermu::LabelJob job{logits.data(),   active.data(),   side(logits, 0), side(logits, 1), side(logits, 2),
                             side(logits, 3), align_corners,   side(source, 0), side(source, 1), source.mutable_data()};
    uint8_t* network_out = network.mutable_data();
    const int network_h = side(network, 1), network_w = side(network, 2);
    const ermu::Isa& chosen = isa_named(isa);
    py::gil_scoped_release unlocked;
    ermu::label_maps(chosen, job, network_h, network_w, network_out, threads);
}

void survey(const Contiguous<float>& logits, const Contiguous<uint8_t>& active, const Contiguous<int32_t>& rows,
            const Contiguous<int32_t>& columns, const Contiguous<uint8_t>& source, Contiguous<int64_t>& out) {
    const ermu::SurveyJob job{logits.data(),  active.data(),   side(logits, 1), side(logits, 2), side(logits, 3),
                              rows.data(),    columns.data(),  source.data(),   side(source, 0), side(source, 1),
                              side(out, 0),   reinterpret_cast<ermu::LabelSurvey*>(out.mutable_data())};
    py::gil_scoped_release unlocked;
    ermu::survey(job);
}

void resize_frame(const std::string& isa, const Contiguous<uint8_t>& frame, const Contiguous<int32_t>& row_at,
                  const Contiguous<float>& row_weights, const Contiguous<int32_t>& column_at,
                  const Contiguous<float>& column_weights, Contiguous<float>& resized, int threads) {
    const ermu::Taps rows{row_at.data(), row_weights.data(), side(row_at, 1)};
    const ermu::Taps columns{column_at.data(), column_weights.data(), side(column_at, 1)};
    const ermu::FrameJob job{frame.data(), side(frame, 1), rows, columns, side(resized, 1), resized.mutable_data()};
    const int network_h = side(resized, 0);
    const ermu::Isa& chosen = isa_named(isa);
    py::gil_scoped_release unlocked;
    ermu::resize_frame(chosen, job, network_h, threads);
}

std::vector<std::string> isas() {
    std::vector<std::string> names;
    for (const ermu::Isa* isa : ermu::available_isas()) names.emplace_back(isa->name);
    return names;
}

// Attention over one bank; the binding's threads never outlive a call.
class BoundKeyValueCache {
public:
    BoundKeyValueCache(const std::string& isa, const std::string& precision, int tokens, int heads, int key_width,
                int value_width, int threads)
        : cache_(reader_of(isa_named(isa), precision), {tokens, heads, key_width / heads, value_width / heads},
                  threads) {}

    bool write(int slot, const Contiguous<float>& key, const Contiguous<float>& value) {
        const float *keys = key.data(), *values = value.data();
        py::gil_scoped_release unlocked;
        return cache_.write(slot, keys, values);
    }
    bool read(const Contiguous<float>& query, const Contiguous<float>& rows, Contiguous<float>& out,
              std::optional<Contiguous<float>>& masses) const {
        const float *queries = query.data(), *moved = rows.data();
        float *answers = out.mutable_data(), *shares = masses ? masses->mutable_data() : nullptr;
        const int slots = side(rows, 0);
        py::gil_scoped_release unlocked;
        return cache_.read(queries, moved, slots, answers, shares);
    }
    void unpack(int slot, Contiguous<float>& key, Contiguous<float>& value, Contiguous<float>& key_mean,
                Contiguous<float>& value_mean, Contiguous<float>& key_step, Contiguous<float>& value_step) const {
        const ermu::SlotCodes codes = codes_of(key, value, key_mean, value_mean, key_step, value_step);
        py::gil_scoped_release unlocked;
        cache_.unpack(slot, codes);
    }
    void repack(Contiguous<float>& key, Contiguous<float>& value, Contiguous<float>& key_mean,
                Contiguous<float>& value_mean, Contiguous<float>& key_step, Contiguous<float>& value_step) {
        const ermu::SlotCodes codes = codes_of(key, value, key_mean, value_mean, key_step, value_step);
        py::gil_scoped_release unlocked;
        cache_.repack(codes);
    }
    BoundKeyValueCache sharing(const std::vector<int>& slots) const { return BoundKeyValueCache(cache_.sharing(slots)); }
    int slots() const { return cache_.slots(); }

private:
    explicit BoundKeyValueCache(ermu::KeyValueCache cache) : cache_(std::move(cache)) {}

    static ermu::SlotCodes codes_of(Contiguous<float>& key, Contiguous<float>& value, Contiguous<float>& key_mean,
                                    Contiguous<float>& value_mean, Contiguous<float>& key_step,
                                    Contiguous<float>& value_step) {
        return {key.mutable_data(),        value.mutable_data(),    key_mean.mutable_data(),
                value_mean.mutable_data(), key_step.mutable_data(), value_step.mutable_data()};
    }
    static const ermu::Reader& reader_of(const ermu::Isa& isa, const std::string& precision) {
        for (const auto& [name, reader] : ermu::available_readers(isa))
            if (precision == name) return *reader;
        throw std::invalid_argument("this processor has no attention in " + precision);
    }
    ermu::KeyValueCache cache_;
};

bool window(const std::string& isa, const Contiguous<float>& query, const Contiguous<float>& key,
            const Contiguous<float>& value, const Contiguous<float>& bias, std::pair<int, int> hw,
            Contiguous<float>& out, const std::optional<Contiguous<float>>& relative, int threads) {
    ermu::WindowJob job{};
    job.height = hw.first;
    job.width = hw.second;
    job.heads = side(bias, 0);
    job.key_head = side(query, 1) / job.heads;
    job.value_head = side(value, 1) / job.heads;
    job.query = query.data();
    job.key = key.data();
    job.value = value.data();
    job.bias = bias.data();
    job.relative = relative ? relative->data() : nullptr;
    job.out = out.mutable_data();
    const ermu::Isa& chosen = isa_named(isa);
    py::gil_scoped_release unlocked;
    return ermu::attend_window(chosen, job, threads);
}

void identity_tokens(const Contiguous<float>& table, const Contiguous<float>& bias, int padding,
                     const Contiguous<uint8_t>& label, Contiguous<float>& out, int threads) {
    const ermu::IdentityJob job{table.data(), bias.data(),   side(table, 0), side(table, 1), padding,
                                side(table, 3), label.data(), side(label, 0), side(label, 1), out.mutable_data()};
    py::gil_scoped_release unlocked;
    ermu::embed_identity(job, threads);
}

std::vector<std::string> precisions(const std::string& isa) {
    std::vector<std::string> names;
    for (const auto& [name, reader] : ermu::available_readers(isa_named(isa))) names.emplace_back(name);
    return names;
}

}  // namespace

PYBIND11_MODULE(_native, module) {
    module.doc() = "ERMU's CPU kernels, compiled for several instruction sets.";
    module.def("isas", &isas);
    module.def("frame_masses", &frame_masses);
    module.def("slot_dots", &slot_dots);
    module.def("redundancy", &redundancy);
    module.def("foreground", &foreground);
    module.def("label_maps", &label_maps);
    module.def("survey", &survey);
    module.def("resize_frame", &resize_frame);
    module.def("precisions", &precisions);
    module.def("window", &window);
    module.def("identity_tokens", &identity_tokens);
    py::class_<BoundKeyValueCache>(module, "KeyValueCache")
        .def(py::init<const std::string&, const std::string&, int, int, int, int, int>())
        .def("write", &BoundKeyValueCache::write)
        .def("read", &BoundKeyValueCache::read)
        .def("unpack", &BoundKeyValueCache::unpack)
        .def("repack", &BoundKeyValueCache::repack)
        .def("sharing", &BoundKeyValueCache::sharing)
        .def_property_readonly("slots", &BoundKeyValueCache::slots);
}
