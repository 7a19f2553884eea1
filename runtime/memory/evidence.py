"""What block 0's attention on a group's bank saw on the current frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ermu.devices.tensor import DeviceTensor
from ermu.runtime.backends.base import Backend
from ermu.runtime.memory.bank import MemoryBank
from ermu.runtime.memory.policy import Evidence
from ermu.runtime.memory.propagation import Propagation
from ermu.runtime.memory.workspace import Workspace
from ermu.types import Vector

Kernel = Callable[[Any], None]


class BankEvidence(Evidence):
    """Asks the kernels, which write on the device; 2 T doubles come back at once.

    Args:
        backend: Whose kernels are asked.
        workspace: For what they write.
        bank: The group's.
        propagation: The group's, after the current frame.
        logits: C x h4 x w4 of the current frame.
        active: (C,) bool, channels in use.
    """

    def __init__(
        self,
        backend: Backend,
        workspace: Workspace,
        bank: MemoryBank,
        propagation: Propagation,
        logits: DeviceTensor,
        active: npt.NDArray[np.bool_],
    ) -> None:
        self._backend, self._workspace = backend, workspace
        self._bank, self._propagation = bank, propagation
        self._logits, self._active = logits, active
        self._redundancy: Vector | None = None
        self.slot_frames = list(bank.slot_frames)

    def relevance(self) -> Vector:
        """See `Evidence.relevance`."""
        argument = self._backend.device.kernel_argument
        foreground = argument(self._workspace.foreground)
        aligned = self._workspace.grids.rule.align_corners
        self._backend.kernels.scoring.foreground(
            argument(self._logits), self._active, foreground, align_corners=aligned
        )
        kernels: list[Kernel] = [lambda out: self._propagation.relevance(self._bank, foreground, out)]
        if not self._bank.tracks_redundancy:
            (alone,) = self._computed(kernels)
            return alone
        relevance, self._redundancy = self._computed([*kernels, self._bank.redundancy])
        return relevance

    def redundancy(self) -> Vector:
        """See `Evidence.redundancy`."""
        if self._redundancy is None:
            (self._redundancy,) = self._computed([self._bank.redundancy])
        return self._redundancy

    def _computed(self, kernels: Sequence[Kernel]) -> list[Vector]:
        """What each kernel writes, (T,), in one copy to the host."""
        device, slots = self._backend.device, len(self.slot_frames)
        vectors = self._workspace.vector(len(kernels) * slots).reshaped(len(kernels), slots)
        for i, kernel in enumerate(kernels):
            kernel(device.kernel_argument(vectors.at(i)))
        values = device.download(vectors)
        self._backend.kernels.check_faults()
        return list(values)
