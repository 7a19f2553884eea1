"""The network in torch as a backend: the peers `torch-eager` and `torch-compile`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ermu.errors import BenchmarkError, BundleError, CheckpointError
from ermu.export.checkpoint import build_network, load_checkpoint
from ermu.export.graphs import build_graphs
from ermu.export.network.spec import NetworkSpec
from ermu.runtime.backends.base import DeviceTensor
from ermu.runtime.backends.host import HostBackend
from ermu.runtime.bundle.bundle import Bundle


def materialised_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as the published code writes it: the whole matrix of weights, then its product with V.

    Args:
        query: B x heads x n x d.
        key: B x heads x m x d.
        value: B x heads x m x dv.
    """
    weights = torch.softmax((query / query.shape[-1] ** 0.5) @ key.transpose(-2, -1), dim=-1)
    return weights @ value


@contextmanager
def published_attention() -> Iterator[None]:
    """Meanwhile every attention is `materialised_attention`, at no cost a call; for one thread at a time."""
    fused = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = materialised_attention  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = fused


class TorchBackend(HostBackend):
    """Every graph of a bundle as the torch module that it was traced from.

    Outputs are copied into the runtime's buffers, which the published code need not do: under 1% of a frame.

    Args:
        bundle: Says which graphs.
        checkpoint: Of the bundle.
        threads: For torch; they count for the whole process.
        compiled_from: Memory frames from which on modules are compiled, so that filling the memory does not
            compile one for every length; None runs them eagerly.
    """

    def __init__(
        self, bundle: Bundle, checkpoint: Path, *, threads: int, compiled_from: int | None = None
    ) -> None:
        torch.set_num_threads(threads)
        manifest = bundle.manifest
        network, _ = build_network(
            _matching(bundle, checkpoint), NetworkSpec(**manifest.network.model_dump())
        )
        self._graphs = {graph.name: graph for graph in build_graphs(network, manifest.input.dtype)}
        self._compiled: dict[str, Any] = {}
        self._compiled_from = compiled_from
        for name, info in manifest.graphs.items():
            graph = self._graphs.get(name)
            same = graph is not None and all(
                [(t.name, t.shape) for t in ours] == [(t.name, t.shape) for t in theirs]
                for ours, theirs in ((info.inputs, graph.inputs), (info.outputs, graph.outputs))
            )
            if not same:
                raise BundleError(
                    f"{bundle.path}: graph '{name}' is not cut as this release of ermu cuts it.",
                    fix="export the checkpoint again with `ermu export`",
                )

    @torch.inference_mode()
    def run(
        self, graph: str, inputs: Mapping[str, DeviceTensor], outputs: Mapping[str, DeviceTensor]
    ) -> None:
        described = self._graphs[graph]
        tensors = [torch.from_numpy(self.for_kernels(inputs[t.name])) for t in described.inputs]
        with published_attention():
            result = self._module(graph, inputs)(*tensors)
        result = (result,) if isinstance(result, Tensor) else result
        for tensor, value in zip(described.outputs, result, strict=True):
            if tensor.name in outputs:
                torch.from_numpy(self.for_kernels(outputs[tensor.name])).copy_(value)

    def close(self) -> None:
        self._graphs.clear()
        self._compiled.clear()

    def _module(self, graph: str, inputs: Mapping[str, DeviceTensor]) -> nn.Module | Any:
        module = self._graphs[graph].module
        rows = inputs.get("rows")
        if self._compiled_from is None or (rows is not None and rows.shape[0] < self._compiled_from):
            return module
        if graph not in self._compiled:
            self._compiled[graph] = torch.compile(module, dynamic=False)
        return self._compiled[graph]


def _matching(bundle: Bundle, path: Path) -> Any:
    checkpoint = load_checkpoint(path)
    expected = bundle.manifest.provenance.checkpoint_sha256
    if checkpoint.sha256 != expected:
        raise CheckpointError(
            f"{path} is not the checkpoint of {bundle.path}: its SHA-256 is {checkpoint.sha256[:16]}…",
            expected=f"{expected[:16]}…, as the bundle's manifest says",
            fix="give the checkpoint that the bundle was exported from",
        )
    if bundle.manifest.precision != "fp32":
        raise BenchmarkError(f"{bundle.path} is {bundle.manifest.precision}.", expected="a bundle in fp32")
    return checkpoint
