"""What block 0's attention on a group's bank saw on the current frame."""

from __future__ import annotations

from collections.abc import Callable
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


class BankEvidence(Evidence):
    """Asks the kernels, which write on the device; T doubles come back.

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
        self.slot_frames = list(bank.slot_frames)

    def relevance(self) -> Vector:
        """See `Evidence.relevance`."""
        argument = self._backend.device.kernel_argument
        foreground = argument(self._workspace.foreground)
        aligned = self._workspace.grids.rule.align_corners
        self._backend.kernels.scoring.foreground(
            argument(self._logits), self._active, foreground, align_corners=aligned
        )
        return self._computed(lambda out: self._propagation.relevance(self._bank, foreground, out))

    def redundancy(self) -> Vector:
        """See `Evidence.redundancy`."""
        return self._computed(self._bank.redundancy)

    def _computed(self, kernel: Callable[[Any], None]) -> Vector:
        device, vector = self._backend.device, self._workspace.vector(len(self.slot_frames))
        kernel(device.kernel_argument(vector))
        values = device.download(vector)
        self._backend.kernels.check_faults()
        return values
