"""What peers that are other systems in torch have in common."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar

from ermu.benchmarks.peer import Peer, PeerOptions
from ermu.errors import DependencyError
from ermu.runtime.bundle.bundle import BF16, FP32

_INSTALLED_AS = {"cutie.inference": "rf-cutie"}  # any folder of the name is a package `cutie`


class SystemPeer(Peer):
    """A peer that opens a `System` in torch.

    Attributes:
        needs: Its packages, as they are imported.
        extra: Of ermu, which brings them.
    """

    needs: ClassVar[tuple[str, ...]]
    extra: ClassVar[str]

    def precision(self, options: PeerOptions) -> str:
        """See `Peer.precision`: bf16 where ours computes in fewer bits than fp32 and the processor has it."""
        from ermu.benchmarks.backends.torch import multiplies_bf16

        return BF16 if options.precision != FP32 and multiplies_bf16() else FP32

    def check_packages(self, name: str) -> None:
        """Refuses where a package is missing.

        Args:
            name: The peer's.

        Raises:
            DependencyError: it is not installed.
        """
        if find_spec("torch") is None:
            raise DependencyError("torch", f"The peer {name}", "export")
        for module in self.needs:
            if not _is_there(module):
                raise DependencyError(_INSTALLED_AS.get(module, module), f"The peer {name}", self.extra)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is what it lies in
        return False
