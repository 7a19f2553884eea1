"""A bundle's graphs become engines, which join the bundle together or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from ermu.devices.tensorrt_module import TensorRTModule, load_tensorrt, rtx_targets, target_name
from ermu.errors import BackendError, OptionError
from ermu.export.bundle_editor import add_to_bundle
from ermu.export.engines.build_log import BuildLog
from ermu.export.engines.builder import BuildOptions, build_engine
from ermu.export.engines.profiles import profiles_of
from ermu.runtime.bundle.built import EngineInfo, Profile
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.engines import PORTABLE, damage
from ermu.runtime.bundle.manifest import WHOLE, Manifest
from ermu.runtime.files import sha256_of

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        built: Engines built.
        kept: Engines that were up to date already.
        logs: What the build's log said of an engine, by its file.
    """

    built: list[EngineInfo]
    kept: list[EngineInfo]
    logs: dict[str, BuildLog]


def build_engines(
    bundle: Bundle | str | Path,
    *,
    module: str,
    precision: str = "fp32",
    sizes: Sequence[tuple[int, int]] = (),
    max_memory: int | None = None,
    max_objects: int | None = None,
    targets: Sequence[str] = (),
    workspace_mb: int | None = None,
    timing_cache: Path | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Builds the engines that a bundle lacks and adds them to it.

    Args:
        bundle: A bundle with graphs of that precision (`add_precision` makes them).
        module: `tensorrt`, which builds for the GPU in this machine, or `tensorrt-rtx`, which needs none.
        precision: fp32, fp16 or int8.
        sizes: Network inputs (height, width), one optimisation profile each; may be left out for a bundle of
            fixed size.
        max_memory: Memory frames that the engines take; default, the bundle's capacity.
        max_objects: That run at once, where groups of ten share memories: fewer need less device memory, and
            more of them take turns. Default, 50.
        targets: `sm86` and so on, or `portable`; TensorRT-RTX only, where the default is `portable`.
        workspace_mb: Device memory that a layer may use while it runs; default, all.
        timing_cache: File that keeps measured kernels between builds; TensorRT only.
        progress: Called with (what, step, steps).

    Raises:
        OptionError: a size, target or number of memory frames makes no sense, or there is no such TensorRT.
        BundleError: the bundle has no graphs of that precision.
        BackendError: a graph cannot be parsed or built; the bundle is as it was.
        DependencyError: that TensorRT is not installed.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    at_precision = loaded.at_precision(precision)
    graphs = at_precision.manifest.plans[WHOLE].graphs
    tensorrt = load_tensorrt(module, to_build=True)
    profiles = profiles_of(at_precision, sizes, max_memory, max_objects)
    options = BuildOptions(profiles, workspace_mb, timing_cache)
    wanted = [(graph, target) for graph in graphs for target in _targets(tensorrt, targets)]
    folder = Path(tempfile.mkdtemp(prefix=f".{loaded.path.name}.", dir=loaded.path.parent))
    try:
        report, files = _build(at_precision, tensorrt, wanted, options, folder, progress)
        if report.built:
            add_to_bundle(loaded, files, lambda manifest: _with_engines(manifest, report.built))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _build(
    bundle: Bundle,
    module: TensorRTModule,
    wanted: Sequence[tuple[str, str]],
    options: BuildOptions,
    folder: Path,
    progress: Progress | None,
) -> tuple[BuildReport, dict[str, Path]]:
    """Builds the (graph, target) engines that a bundle lacks; returns their files by future path, too."""
    report, files = BuildReport([], [], {}), {}
    for step, (graph, target) in enumerate(wanted):
        if progress:
            progress(f"{graph} for {target}", step, len(wanted))
        key = _described(bundle, graph, module, target, options.profiles).key
        current = (e for e in bundle.manifest.engines if e.key == key and not damage(bundle, e))
        if kept := next(current, None):
            report.kept.append(kept)
            continue
        file, began = folder / f"{graph}-{target}.engine", perf_counter()
        log = build_engine(module, bundle, graph, target, options, file)
        seconds = perf_counter() - began
        info = _described(bundle, graph, module, target, options.profiles, file, seconds)
        files[info.file] = file
        report.built.append(info)
        report.logs[info.file] = log
    return report, files


def _targets(module: TensorRTModule, targets: Sequence[str]) -> list[str]:
    if module.name == "tensorrt":
        from ermu.devices.cuda import device_capability

        here = target_name(device_capability())
        if set(targets) - {here}:
            raise OptionError(
                f"TensorRT builds for the GPU in this machine, {here}, not for {', '.join(targets)}.",
                fix="build on that GPU, or use --engine tensorrt-rtx",
            )
        return [here]
    known = rtx_targets(module)
    unknown = set(targets) - {*known, PORTABLE}
    if unknown:
        raise OptionError(
            f"TensorRT-RTX {module.version} does not build for {', '.join(sorted(unknown))}.",
            expected=f"some of {', '.join(known)}, or no --sm for a portable engine",
        )
    return list(dict.fromkeys(targets)) or [PORTABLE]


def _described(
    bundle: Bundle,
    graph: str,
    module: TensorRTModule,
    target: str,
    profiles: tuple[Profile, ...],
    file: Path | None = None,
    seconds: float = 0.0,
) -> EngineInfo:
    digest = sha256_of(file) if file else ""
    name = f"{graph}-{bundle.manifest.precision}-{module.name}-{target}-{digest[:12]}"
    return EngineInfo(
        graph=graph,
        graph_sha256=bundle.manifest.graphs[graph].sha256,
        module=module.name,  # type: ignore[arg-type]  # one of MODULES
        version=module.version,
        target=target,
        precision=bundle.manifest.precision,
        profiles=profiles,
        file=f"engines/{name}.engine",
        sha256=digest,
        size_bytes=file.stat().st_size if file else 0,
        build_seconds=round(seconds, 2),
    )


def _with_engines(manifest: Manifest, built: Sequence[EngineInfo]) -> Manifest:
    for info in built:
        graphs = [manifest.graphs, *(variant.graphs for variant in manifest.variants.values())]
        if info.graph_sha256 not in {part[info.graph].sha256 for part in graphs if info.graph in part}:
            raise BackendError(
                f"Graph {info.graph} changed while it was being built.", fix="run the build again"
            )
    keys = {info.key for info in built}
    kept = (info for info in manifest.engines if info.key not in keys)
    return manifest.model_copy(update={"engines": (*kept, *built)})
