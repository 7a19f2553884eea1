"""What a build's log says of the engine: whether attentions are fused, and what it keeps between layers."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FUSED = re.compile(r"^Name: (_gemm_mha_\w+), LayerType", re.MULTILINE)
_ACTIVATIONS = re.compile(r"Total Activation Memory: (\d+) bytes")


@dataclass
class BuildLog:
    """Reads a log line by line, as TensorRT-RTX 1.7 writes it with detailed profiling verbosity.

    Attributes:
        fused_attentions: Kernels that do a whole attention, so that its matrix of weights is never in memory.
        activation_bytes: Device memory that the engine needs while it runs.
    """

    fused_attentions: int = 0
    activation_bytes: int = 0

    def read(self, message: str) -> None:
        """Takes in a message of any severity."""
        self.fused_attentions += len(_FUSED.findall(message))
        for found in _ACTIVATIONS.findall(message):
            self.activation_bytes = int(found)

    def __str__(self) -> str:
        return (
            f"{self.fused_attentions} fused attentions, {self.activation_bytes / 1e6:.1f} MB of activations"
        )
