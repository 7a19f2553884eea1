"""The interface of backends: a library that runs a bundle's graphs, tensors bound where they lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property

from ermu.closing import Closing
from ermu.devices.base import Device
from ermu.devices.tensor import DeviceTensor
from ermu.errors import StateError
from ermu.kernels.base.identity import Identity
from ermu.kernels.loading import Kernels
from ermu.runtime.backends.trial import Trial
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.group_manifest import MOST_TOGETHER, GroupPlan
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, Plan
from ermu.runtime.bundle.object_manifest import ObjectPlan
from ermu.runtime.bundle.parts import GraphInfo
from ermu.types import Array

Tensors = Mapping[str, DeviceTensor]


@dataclass(frozen=True)
class Misfit:
    """One reason why a backend cannot run a bundle here.

    Attributes:
        found: What there is.
        needed: What it would take.
        fix: How to get it, ideally a command.
    """

    found: str
    needed: str
    fix: str


@dataclass(frozen=True)
class Opening:
    """What a backend is opened with.

    Attributes:
        bundle: Verified, at the precision to run.
        plan: Name of one of its plans.
        device: Where its tensors lie; closed with the backend.
        kernels: For that device.
        threads: CPU threads for each graph.
    """

    bundle: Bundle
    plan: str
    device: Device
    kernels: Kernels
    threads: int


class Backend(Closing, ABC):
    """Runs the graphs of one plan of a bundle; used by one thread at a time, by any number of segmenters.

    A library is a subclass in a module of its own (`ermu.runtime.backends.libraries`), opened by
    `open_backend`, which asks `misfits` first.

    Attributes:
        name: As on the command line.
        help: In a line.
        devices: Names of the devices that it runs on.
        plans: That it can run, the preferred one first; `external_attention` needs attention kernels.
        rounds_to_bf16: Whether it can run float32 graphs with bfloat16 products.
        bundle: Whose graphs are open.
        plan: Which of its plans.
        device: Where tensors lie.
        kernels: For what is not in the graphs.
        attention_precision: Of the kernels' attention on the memories.
    """

    name: str
    help: str
    devices: tuple[str, ...]
    plans: tuple[str, ...]
    rounds_to_bf16: bool = False

    def __init__(self, opening: Opening) -> None:
        self.bundle, self.device, self.kernels = opening.bundle, opening.device, opening.kernels
        self.plan_name = opening.plan
        self.attention_precision = opening.bundle.manifest.precision
        self._open = True

    @classmethod
    @abstractmethod
    def misfits(cls, bundle: Bundle | None, device: str) -> list[Misfit]:
        """Everything that keeps it from running here; empty where it fits. Opens and loads no graph.

        Args:
            bundle: At the precision to run; None asks about the machine alone.
            device: `cpu`, `cuda`, or `cuda:1` and so on for another than the first GPU.
        """

    @classmethod
    def rank(cls, device: str, precision: str) -> int:
        """How fast it is beside others, for `--backend auto`: the highest that runs is taken.

        Args:
            device: `cpu` or `cuda`.
            precision: To run at.

        Returns:
            By the measurements of `docs/benchmarks.md`; 0 where nobody has measured it.
        """
        return 0

    @classmethod
    def try_out(cls, trial: Trial) -> str | None:
        """Runs a tiny graph, for `ermu doctor`; asked only where nothing speaks against the backend.

        Returns:
            What was done, in words; None where it tries nothing.

        Raises:
            Exception: it does not work; of any kind.
        """
        return None

    @abstractmethod
    def _run(self, graph: str, inputs: Tensors, outputs: Tensors) -> None:
        """See `run`."""

    def _close(self) -> None:
        """Releases sessions, before the device is closed."""

    @property
    def plan(self) -> Plan:
        """The plan whose graphs are open."""
        return self.bundle.manifest.plans[self.plan_name]

    @property
    def group_plan(self) -> GroupPlan:
        """The same, of a network that remembers groups of objects; raises as `Bundle.group_manifest`."""
        return self.bundle.group_manifest.plans[self.plan_name]

    @property
    def object_plan(self) -> ObjectPlan:
        """The same, of a network that remembers each by itself; raises as `Bundle.object_manifest`."""
        return self.bundle.object_manifest.plans[self.plan_name]

    @property
    def graphs(self) -> dict[str, GraphInfo]:
        """The plan's graphs by name."""
        return {name: self.bundle.manifest.graphs[name] for name in self.plan.graphs}

    @cached_property
    def _names(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Names of each graph's inputs and outputs."""
        return {
            name: (tuple(t.name for t in info.inputs), tuple(t.name for t in info.outputs))
            for name, info in self.graphs.items()
        }

    @property
    def most_together(self) -> int:
        """Groups of objects that the plan's graphs run at once; the kernels' attention reads one's."""
        return 1 if self.external_attention else MOST_TOGETHER

    @property
    def external_attention(self) -> bool:
        """Whether the kernels read the memories, between graphs."""
        return self.plan_name == EXTERNAL_ATTENTION

    @cached_property
    def identity(self) -> Identity:
        """Embeds label maps by the bundle's identity bank; one for all segmenters."""
        return self.kernels.identity(*self.bundle.identity_weights())

    @cached_property
    def relative_values(self) -> dict[int, Array]:
        """By block, what attention in a window adds to values by their place there (`Attention.window`)."""
        return self.bundle.relative_values()

    def run(self, graph: str, tensors: Tensors) -> None:
        """Runs a graph, reading and writing tensors in place.

        Args:
            graph: Its name.
            tensors: By the graph's own names; more than it has is fine.

        Raises:
            BackendError: the device refused.
            StateError: the backend is closed.
        """
        if not self._open:
            raise StateError(f"The {self.name} backend is closed.", fix="open another one")
        inputs, outputs = self._names[graph]
        self._run(graph, {name: tensors[name] for name in inputs}, {name: tensors[name] for name in outputs})

    def repeating(self) -> AbstractContextManager[None]:
        """A `with` block whose work comes again frame after frame, and may be held back until asked for."""
        return nullcontext()

    def close(self) -> None:
        """Releases graphs and device memory; closing twice is harmless."""
        if self._open:
            self._open = False
            try:
                self._close()
            finally:
                self.device.close()
