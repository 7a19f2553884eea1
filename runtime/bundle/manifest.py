"""The manifest of a bundle: everything the runtime must know, and can check, before it opens a graph.

There are two kinds (`ermu.runtime.bundle.group_manifest`, `ermu.runtime.bundle.object_manifest`); this is
what both have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from ermu.runtime.bundle.built import EngineInfo, Variant
from ermu.runtime.bundle.parts import FileInfo, GraphInfo, InputInfo, MemoryInfo, Part, Provenance, TensorInfo
from ermu.runtime.bundle.sizes import GridRule

FORMAT_VERSION = 6
WHOLE = "whole"
EXTERNAL_ATTENTION = "external_attention"


class Plan(Part):
    """One way to run the network: which graph does what; the runtime knows graphs by these fields alone.

    Attributes:
        encode: An image to the features that all objects share.
    """

    encode: str

    @property
    def once(self) -> tuple[str, ...]:
        """Graphs that run once a frame, for all objects, in order."""
        return (self.encode,)

    @property
    def quantised(self) -> tuple[str, ...]:
        """Those that `ermu build --precision int8` changes; the others stay in float."""
        return self.once

    @property
    def graphs(self) -> tuple[str, ...]:
        """All of them, in the order of a frame."""
        return self.once


class NetworkInfo(Part):
    """Which network the graphs are.

    Attributes:
        name: Of the network.
        family: Of networks that it belongs to.
        encoder: Its backbone.
        align_corners: How grids lie on the input (`GridRule`).
    """

    name: str
    family: str
    encoder: str
    align_corners: bool

    @property
    def grid(self) -> GridRule:
        """How its grids lie on its input."""
        return GridRule(self.align_corners)


class Manifest(Part):
    """What a manifest.json of either kind has.

    Attributes:
        graphs: By name, each once, whatever plans it belongs to.
        plans: `whole`, and `external_attention` for a runtime with attention kernels of its own.
        weights: Files that the graphs' weights lie in, each tensor once.
        variants: Graphs in other precisions than `precision`, by precision.
        engines: Compiled graphs, of any precision.
    """

    format_version: int
    network: NetworkInfo
    memory: MemoryInfo
    input: InputInfo
    precision: str
    graphs: dict[str, GraphInfo]
    plans: Mapping[str, Plan]
    weights: tuple[FileInfo, ...] = ()
    variants: dict[str, Variant] = Field(default_factory=dict)
    engines: tuple[EngineInfo, ...] = ()
    provenance: Provenance

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        """Plans list graphs that are there, and a name is one tensor."""
        for name, plan in self.plans.items():
            missing = sorted(set(plan.graphs) - set(self.graphs))
            if missing:
                raise ValueError(f"the plan {name} lists graphs that are not there: {', '.join(missing)}")
        known: dict[str, TensorInfo] = {}
        for tensor in self.tensors:
            first = known.setdefault(tensor.name, tensor)
            if (first.role, first.block, first.kind) != (tensor.role, tensor.block, tensor.kind):
                raise ValueError(
                    f"{tensor.name} is {first.role.value} in one graph, {tensor.role.value} in another"
                )
        return self

    @property
    def tensors(self) -> list[TensorInfo]:
        """Of every graph."""
        return [tensor for graph in self.graphs.values() for tensor in graph.tensors]

    @property
    def kernel_weights(self) -> tuple[FileInfo, ...]:
        """Files of weights that kernels read, not graphs."""
        return ()

    @property
    def constants(self) -> dict[str, Any]:
        """What a memory depends on beside network, weights and input; ready for JSON."""
        return {}

    def to_json(self) -> str:
        """JSON text, stable in order."""
        return self.model_dump_json(indent=1) + "\n"
