"""The network in torch as a backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ermu.errors import BenchmarkError, BundleError, CheckpointError
from ermu.export.checkpoint import load_checkpoint
from ermu.export.graphs import build_graphs
from ermu.export.network.recognition import build_network
from ermu.export.network.spec import NetworkSpec
from ermu.kernels.base.identity import (
    LABELS,
    STRIDE,
    Identity,
    check_embedding,
    check_weights,
    padding_of,
)
from ermu.runtime.backends.base import Backend, Misfit, Opening, Tensors
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.bundle.roles import Role
from ermu.types import Array


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


@dataclass(frozen=True)
class Tuning:
    """How a user who knows torch would run the network: fused attention, channels last, and these.

    Attributes:
        autocast: Whether products are in bfloat16.
        compiled_from: Memory frames from which on modules are compiled, so that filling the memory does not
            compile one for every length; None runs them eagerly.
    """

    autocast: bool = False
    compiled_from: int | None = None


def multiplies_bf16() -> bool:
    """Whether this processor has products of bfloat16; elsewhere autocast makes torch slower."""
    known = torch.backends.cpu.get_cpu_capability()
    flags = Path("/proc/cpuinfo")
    return "AVX512" in known and flags.is_file() and "avx512_bf16" in flags.read_text()


class TorchBackend(Backend):
    """Every graph of a bundle as the torch module that it was traced from, label maps embedded by torch too.

    Outputs are copied into the runtime's buffers, which the published code need not do: under 1% of a frame.

    Args:
        opening: On the host, plan `whole`; its threads count for the whole process.
        checkpoint: Of the bundle.
        tuning: None runs the network as the published code stands.

    Raises:
        BundleError: the bundle's graphs are not cut as here.
        CheckpointError: it is another bundle's.
    """

    name = "torch"
    devices = ("cpu",)
    plans = (WHOLE,)

    def __init__(self, opening: Opening, checkpoint: Path, tuning: Tuning | None = None) -> None:
        published = replace(opening.kernels, identity=TorchIdentity)
        super().__init__(opening if tuning else replace(opening, kernels=published))
        torch.set_num_threads(opening.threads)
        bundle, manifest = opening.bundle, opening.bundle.group_manifest
        spec = NetworkSpec(**manifest.network.model_dump())
        network = build_network(_matching(bundle, checkpoint), spec)
        built = {graph.name: graph for graph in build_graphs(network, manifest.input.dtype)}
        self._modules = {name: built[name] for name in self.plan.graphs}
        self._compiled: dict[str, Any] = {}
        self._tuning = tuning
        for name, graph in self._modules.items():
            if tuning:
                graph.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if (graph.inputs, graph.outputs) != (self.graphs[name].inputs, self.graphs[name].outputs):
                raise BundleError(
                    f"{bundle.path}: graph '{name}' is not cut as this release of ermu cuts it.",
                    fix="export the checkpoint again with `ermu export`",
                )

    @classmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        """See `Backend.misfits`: it is opened by peers, which look for torch."""
        return []

    @torch.inference_mode()
    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        argument, described = self.device.kernel_argument, self._modules[graph]
        tensors = [torch.from_numpy(argument(inputs[t.name])) for t in described.inputs]
        with self._as_tuned():
            result = self._module(graph, inputs)(*tensors)
        result = (result,) if isinstance(result, Tensor) else result
        for tensor, value in zip(described.outputs, result, strict=True):
            torch.from_numpy(argument(outputs[tensor.name])).copy_(value)

    def _close(self) -> None:
        self._modules.clear()
        self._compiled.clear()

    def _as_tuned(self) -> AbstractContextManager[Any]:
        if self._tuning is None:
            return published_attention()
        return torch.autocast("cpu", torch.bfloat16, enabled=self._tuning.autocast)

    def _module(self, graph: str, inputs: Tensors) -> nn.Module | Any:
        module, read = self._modules[graph].module, self._modules[graph].inputs
        held = next((inputs[t.name].shape[0] for t in read if t.role is Role.MEMORY), None)
        compiled_from = self._tuning.compiled_from if self._tuning else None
        if compiled_from is None or (held is not None and held < compiled_from):
            return module
        if graph not in self._compiled:
            self._compiled[graph] = torch.compile(module, dynamic=False)
        return self._compiled[graph]


class TorchIdentity(Identity):
    """The identity bank as published: a convolution of one-hot planes."""

    def __init__(self, weight: Array, bias: Array) -> None:
        check_weights(weight, bias)
        self._weight, self._bias = torch.from_numpy(weight), torch.from_numpy(bias)

    @torch.inference_mode()
    def embed(self, label: Array, out: Array) -> None:
        """See `Identity.embed`."""
        check_embedding(label, out, self._weight.shape[0])
        ids = torch.arange(self._weight.shape[1])[:, None, None]
        planes = (torch.from_numpy(label).to(torch.int64)[None] == ids) & (ids < LABELS)
        padding = padding_of(self._weight.shape[-1])
        tokens = F.conv2d(planes.to(torch.float32)[None], self._weight, self._bias, STRIDE, padding)
        torch.from_numpy(out).copy_(tokens[0].permute(1, 2, 0))


def _matching(bundle: Bundle, path: Path) -> Any:
    checkpoint = load_checkpoint(path)
    expected = bundle.manifest.provenance.checkpoint_sha256
    if checkpoint.sha256 != expected:
        raise CheckpointError(
            f"{path} is not the checkpoint of {bundle.path}: its SHA-256 is {checkpoint.sha256[:16]}...",
            expected=f"{expected[:16]}..., as the bundle's manifest says",
            fix="give the checkpoint that the bundle was exported from",
        )
    if bundle.manifest.precision != "fp32":
        raise BenchmarkError(f"{bundle.path} is {bundle.manifest.precision}.", expected="a bundle in fp32")
    return checkpoint
