"""The peers by name: other ways to run the same network, each behind the runtime's own frame loop."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ermu.assets import DEMO_BUNDLE, DEMO_CHECKPOINT
from ermu.errors import BenchmarkError, DependencyError
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import Bundle

PEERS = {
    "torch-eager": "the same network in torch, every attention materialised as published",
    "torch-compile": "the same through torch.compile with static shapes, once the memory is full",
    "onnxruntime-plain": "the bundle's graphs in ONNX Runtime, graph optimisation off, default settings",
    "openvino": "the bundle's graphs in OpenVINO, float32, compiled for the exact shapes",
}


def check_peers(names: tuple[str, ...]) -> None:
    """Refuses unknown peers.

    Raises:
        BenchmarkError: there is none of that name.
    """
    for name in names:
        if name not in PEERS:
            raise BenchmarkError(f"There is no peer '{name}'.", expected=f"one of {', '.join(PEERS)}")


def open_peer(name: str, bundle: Bundle, *, threads: int, memory: int, checkpoint: Path | None) -> Backend:
    """A peer's backend.

    Args:
        name: One of `PEERS`.
        bundle: At its own precision.
        threads: Of the peer.
        memory: T, at which it will be timed.
        checkpoint: Of the bundle, for torch; the demo bundle's is known.

    Raises:
        BenchmarkError: a peer in torch has no checkpoint.
        DependencyError: its package is not installed.
    """
    if name in ("onnxruntime-plain", "openvino"):
        from ermu.benchmarks.peers.onnxruntime_plain import PlainOnnxRuntimeBackend
        from ermu.runtime.backends.libraries.openvino import OpenVinoBackend

        if name == "openvino":
            return OpenVinoBackend(bundle, threads=threads, open_frames=False)
        return PlainOnnxRuntimeBackend(bundle, threads=threads)
    if find_spec("torch") is None:
        raise DependencyError("torch", f"The peer {name}", "export")
    if checkpoint is None and bundle.path.resolve() == DEMO_BUNDLE.resolve():
        checkpoint = DEMO_CHECKPOINT
    if checkpoint is None:
        raise BenchmarkError(
            f"The peer {name} needs the weights that {bundle.path} was exported from.",
            fix=f"--checkpoint F.pth ({bundle.manifest.provenance.checkpoint})",
        )
    from ermu.benchmarks.peers.torch_eager import TorchBackend

    compiled_from = memory if name == "torch-compile" else None
    return TorchBackend(bundle, checkpoint, threads=threads, compiled_from=compiled_from)
