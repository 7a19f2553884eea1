"""Names of devices, as on the command line: `cpu`, `cuda`, and `cuda:1` for another than the first GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ermu.errors import OptionError

KINDS = ("cpu", "cuda")
EXPECTED = "cpu, cuda, or cuda:N for GPU number N"


@dataclass(frozen=True)
class DeviceName:
    """Which device is meant; `str` is its shortest name.

    Attributes:
        kind: One of `KINDS`.
        index: Number of the GPU; 0 on the CPU.
    """

    kind: str
    index: int = 0

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.kind == "cuda"

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind


def parse_device(name: str) -> DeviceName:
    """What a device's name means.

    Raises:
        OptionError: it is no device's name.
    """
    found = re.fullmatch(r"cpu|cuda(?::(?P<index>[0-9]{1,3}))?", name)
    if found is None:
        raise OptionError(f"Unknown device '{name}'.", expected=EXPECTED)
    return DeviceName(name.partition(":")[0], int(found["index"] or 0))
