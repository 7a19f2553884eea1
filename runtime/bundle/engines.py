"""Which of a bundle's engines run here, found out before anything is deserialised."""

from __future__ import annotations

from ermu.devices.tensorrt_module import RTX
from ermu.errors import BackendError
from ermu.runtime.bundle.built import EngineInfo
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.group_manifest import MOST_TOGETHER, OBJECTS
from ermu.runtime.files import sha256_of

PORTABLE = "portable"
PORTABLE_TARGETS = ("sm86", "sm89", "sm120")  # what TensorRT-RTX documents of an engine built for no GPU


def find_engine(bundle: Bundle, graph: str, *, module: str, version: str, target: str) -> EngineInfo:
    """The engine of a graph for an installed TensorRT and a GPU: for that GPU or portable, built last.

    Args:
        bundle: At the precision to run.
        graph: Its name.
        module: `tensorrt` or `tensorrt-rtx`.
        version: Of the installed one.
        target: The GPU, such as `sm89`.

    Raises:
        BackendError: there is none; says what there is and how to build what is needed.
    """
    manifest = bundle.manifest
    candidates = [e for e in manifest.engines if e.graph == graph and e.module == module]
    fitting = [e for e in candidates if misfit(bundle, e, version=version, target=target) is None]
    if fitting:
        return min(reversed(fitting), key=lambda e: e.target == PORTABLE)
    found = "; ".join(f"{e.file}: {misfit(bundle, e, version=version, target=target)}" for e in candidates)
    raise BackendError(
        f"{bundle.path} has no {module} engine of '{graph}' that runs here ({found or 'none was built'}).",
        expected=f"{manifest.precision}, {module} {version}, {target}",
        fix=rebuild_command(bundle, module, candidates[-1] if candidates else None, target=target),
    )


def misfit(bundle: Bundle, engine: EngineInfo, *, version: str, target: str | None) -> str | None:
    """Why an engine cannot run here, in the bundle at its precision; None if nothing speaks against it.

    Args:
        bundle: At the precision to run.
        engine: Listed in its manifest.
        version: Of the installed TensorRT.
        target: The GPU, or None to leave it out of the question.
    """
    manifest = bundle.manifest
    if engine.precision != manifest.precision:
        return f"is {engine.precision}, not {manifest.precision}"
    if engine.graph_sha256 != manifest.graphs[engine.graph].sha256:
        return "was built from another graph"
    if engine.version != version:
        return f"was built by {engine.module} {engine.version}, installed is {version}"
    if target is not None and engine.target == PORTABLE and target not in PORTABLE_TARGETS:
        return f"is portable, which is {', '.join(PORTABLE_TARGETS)}, this GPU is {target}"
    if target is not None and engine.target not in (target, PORTABLE):
        return f"was built for {engine.target}, this GPU is {target}"
    return None


def damage(bundle: Bundle, engine: EngineInfo) -> str | None:
    """Why an engine's file cannot be trusted; None if it is as it was built."""
    file = bundle.path / engine.file
    if not file.is_file():
        return "is missing"
    size = file.stat().st_size
    if size != engine.size_bytes:
        return f"has {size} bytes of {engine.size_bytes}"
    return None if sha256_of(file) == engine.sha256 else "has been altered"


def read_engine(bundle: Bundle, engine: EngineInfo) -> bytes:
    """An engine's bytes, checked.

    Raises:
        BackendError: the file is missing, truncated or altered.
    """
    problem = damage(bundle, engine)
    if problem:
        raise BackendError(
            f"{bundle.path / engine.file} {problem}.",
            expected=f"the engine of '{engine.graph}' with SHA-256 {engine.sha256[:16]}...",
            fix=rebuild_command(bundle, engine.module, engine),
        )
    return (bundle.path / engine.file).read_bytes()


def rebuild_command(
    bundle: Bundle, module: str, like: EngineInfo | None = None, *, target: str | None = None
) -> str:
    """The command that builds a bundle's engines at its precision, with the sizes of an existing one.

    Args:
        bundle: At that precision.
        module: `tensorrt` or `tensorrt-rtx`.
        like: The existing one.
        target: The GPU; one that portable engines do not cover is named in the command.
    """
    command = f"ermu build {bundle.build_options} --engine {module} --precision {bundle.manifest.precision}"
    if module == RTX and target is not None and target not in PORTABLE_TARGETS:
        command += f" --sm {target.removeprefix('sm')}"
    if like:
        known = dict.fromkeys(profile.size for profile in like.profiles)
        sizes = "".join(f" --size {height}x{width}" for height, width in known)
        groups = max(dict(profile.most).get("G", MOST_TOGETHER) for profile in like.profiles)
        fewer = f" --max-objects {OBJECTS * groups}" if groups < MOST_TOGETHER else ""
        return f"{command}{sizes} --max-memory {like.profiles[0].frames}{fewer}"
    return command if bundle.manifest.input.size else f"{command} --size 353x641"
