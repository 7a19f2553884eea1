"""What turns the clicks of several streams into masks: each prompter once, whoever asks for it."""

from __future__ import annotations

from threading import Lock
from typing import Any

from ermu.closing import Closing
from ermu.errors import OptionError
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.prompter import GrabCutPrompter, Prompter
from ermu.runtime.streams.network_prompter import NetworkPrompter
from ermu.runtime.streams.work.recovery import Recovery

GRABCUT = "grabcut"


class Prompters(Closing):
    """Prompters by what a user calls them, opened when they are first asked for, until it is closed.

    Args:
        followed_by: Of the network that follows the objects.
        device: Of all of them.
        threads: Of each.
        recovery: Of the device, with the streams that work on it.
    """

    def __init__(
        self,
        followed_by: Manifest,
        *,
        device: str = "cpu",
        threads: int | None = None,
        recovery: Recovery | None = None,
    ) -> None:
        self._manifest, self._device, self._threads = followed_by, device, threads
        self._recovery = recovery or Recovery()
        self._lock, self._networks = Lock(), dict[str, NetworkPrompter]()

    def of(self, name: str | None) -> Prompter | None:
        """A prompter: `grabcut`, or a bundle's folder or name; None is the default, None.

        Raises:
            ErmuError: as `check_prompter` and `NetworkPrompter`.
        """
        if name in (None, GRABCUT):
            return GrabCutPrompter() if name else None
        with self._lock:
            if name not in self._networks:
                check_prompter(self._manifest, name)
                own: dict[str, Any] = {"device": self._device, "threads": self._threads}
                self._networks[name] = NetworkPrompter(name, recovery=self._recovery, **own)
            return self._networks[name]

    def close(self) -> None:
        """Frees the networks; closing twice is harmless."""
        for prompter in self._networks.values():
            prompter.close()


def check_prompter(followed_by: Manifest, name: str | None) -> None:
    """Refuses a network as the prompter of one that takes clicks itself.

    Args:
        followed_by: Of the network that follows the objects.
        name: As of `Prompters.of`.

    Raises:
        OptionError: it takes them itself.
    """
    if name not in (None, GRABCUT) and isinstance(followed_by, ObjectManifest):
        raise OptionError(
            f"The network {followed_by.network.name} takes clicks and boxes itself: {name} is no use to it.",
            expected="a prompter for a network of the AOT family",
            fix="leave the prompter out",
        )
