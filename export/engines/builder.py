"""One graph to one engine: parsed whole, checked against the manifest, built strongly typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ermu.devices.tensorrt_module import RTX, MessageLog, TensorRTModule
from ermu.errors import BackendError
from ermu.export.engines.build_log import BuildLog
from ermu.runtime.bundle.built import Profile
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import PORTABLE
from ermu.runtime.bundle.parts import GraphInfo, TensorInfo
from ermu.runtime.bundle.sizes import Grids, resolve
from ermu.runtime.files import replace_atomically


@dataclass(frozen=True)
class BuildOptions:
    """What applies to every engine of a build; fields as `build_engines`."""

    profiles: tuple[Profile, ...]
    workspace_mb: int | None = None
    timing_cache: Path | None = None


def build_engine(
    module: TensorRTModule, bundle: Bundle, graph: str, target: str, options: BuildOptions, out: Path
) -> BuildLog:
    """Builds a graph's engine into a file, and returns what the log said of it.

    Args:
        module: The TensorRT to build with.
        bundle: At the precision to build.
        graph: Its name.
        target: `sm89` and so on, or `portable`.
        options: Profiles and limits.
        out: The file to write.

    Raises:
        BackendError: the graph cannot be parsed (names the node and its op), does not match the manifest, or
            cannot be built.
    """
    said = BuildLog()
    log = MessageLog(module, said.read)
    builder = module.trt.Builder(log.logger)
    network = parse_graph(module, builder, log, bundle, graph)
    config = _configured(module, builder, target, options)
    for profile in _told_apart(bundle.manifest.graphs[graph], options.profiles):
        config.add_optimization_profile(_shaped(builder, bundle, graph, profile))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise BackendError(
            f"Graph {graph}: {module.name} {module.version} cannot build it for {target}"
            f"{_blamed(network, log.errors)}: {_last(log.errors)}",
            fix="a smaller --size or --max-memory, another --precision, or report this message",
        )
    out.write_bytes(engine)
    if options.timing_cache:
        with replace_atomically(options.timing_cache) as temporary:
            temporary.write_bytes(config.get_timing_cache().serialize())
    return said


def parse_graph(module: TensorRTModule, builder: Any, log: MessageLog, bundle: Bundle, graph: str) -> Any:
    """A graph as a strongly typed network whose tensors are those of the manifest.

    Raises:
        BackendError: a node cannot be parsed, or a tensor differs from the manifest.
    """
    trt = module.trt
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log.logger)
    if not parser.parse_from_file(str(bundle.graph_path(graph))):  # by path, or it finds no weights
        error = parser.get_error(0)
        raise BackendError(
            f"Graph {graph}: node '{error.node_name()}' ({error.node_operator()}) cannot be parsed by "
            f"{module.name} {module.version}: {error.desc().strip()}",
            expected="operators that TensorRT has",
            fix="export the checkpoint again with `ermu export`; if that does not help, report this",
        )
    info = bundle.manifest.graphs[graph]
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    for wanted, found in ((info.inputs, inputs), (info.outputs, outputs)):
        _check_tensors(trt, graph, wanted, found)
    return network


def _check_tensors(trt: Any, graph: str, wanted: Sequence[TensorInfo], found: Sequence[Any]) -> None:
    described = {t.name: (np.dtype(trt.nptype(t.dtype)).name, tuple(t.shape)) for t in found}
    for tensor in wanted:
        dtype, shape = described.pop(tensor.name, (None, ()))
        fits = len(shape) == len(tensor.shape) and all(
            isinstance(want, str) or want == have for want, have in zip(tensor.shape, shape, strict=True)
        )
        if dtype != tensor.dtype or not fits:
            raise BackendError(
                f"Graph {graph}: TensorRT sees the tensor {tensor.name} as {dtype} {shape}.",
                expected=f"{tensor.dtype} {tensor.shape}, as the manifest says",
            )
    if described:
        raise BackendError(
            f"Graph {graph}: TensorRT sees tensors that the manifest lacks: {', '.join(described)}."
        )


def _configured(module: TensorRTModule, builder: Any, target: str, options: BuildOptions) -> Any:
    trt, config = module.trt, builder.create_builder_config()
    if options.workspace_mb:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    if module.name == RTX:
        if options.timing_cache:
            raise BackendError(
                "TensorRT-RTX has no use for a timing cache: it chooses kernels when the engine first runs.",
                fix="leave --timing-cache out",
            )
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the log names the kernels
        if capturable := getattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None):
            config.set_flag(capturable)  # or it allocates while it runs, which no CUDA graph can record
        if target != PORTABLE:
            config.num_compute_capabilities = 1
            config.set_compute_capability(getattr(trt.ComputeCapability, target.upper()), 0)
    elif options.timing_cache:
        known = options.timing_cache.read_bytes() if options.timing_cache.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)
    return config


def _told_apart(graph: GraphInfo, profiles: Sequence[Profile]) -> list[Profile]:
    """Those that differ in what the graph reads: an encoder knows nothing of groups."""
    known = {symbol for tensor in graph.inputs for symbol in tensor.shape}
    own = {(p.size, tuple(most for most in p.most if most[0] in known)): p for p in reversed(profiles)}
    return list(reversed(own.values()))


def _shaped(builder: Any, bundle: Bundle, graph: str, profile: Profile) -> Any:
    """An optimisation profile: from one memory frame to all, tuned for all, which is the steady state.

    Likewise everything else that varies.
    """
    symbols = Grids(*profile.size, bundle.manifest.network.grid).symbols()
    shaped = builder.create_optimization_profile()
    for tensor in bundle.manifest.graphs[graph].inputs:
        least, most = (
            resolve(tensor.shape, {**symbols, **varying})
            for varying in (dict.fromkeys(dict(profile.most), 1), dict(profile.most))
        )
        shaped.set_shape(tensor.name, least, most, most)
    return shaped


def _blamed(network: Any, errors: Sequence[str]) -> str:
    """The layer that the errors name, with its kind."""
    text = " ".join(errors)
    layers = (network.get_layer(i) for i in range(network.num_layers))
    named = [layer for layer in layers if layer.name and layer.name in text]
    if not named:
        return ""
    longest = max(named, key=lambda layer: len(layer.name))
    return f" at node '{longest.name}' ({longest.type.name})"


def _last(errors: Sequence[str]) -> str:
    return errors[-1].strip() if errors else "no reason given"
