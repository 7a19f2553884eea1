"""A store: bundles that an address names, fetched into a cache of the user's."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")


class BundleStore(ABC):
    """Fetches bundles by address; made without arguments.

    A store is a subclass in a module of its own (`ermu.runtime.bundle.stores`), or in another package.

    Attributes:
        help: In a line: how an address reads.
        schemes: What stands before its `://`.
    """

    help: str = ""
    schemes: tuple[str, ...] = ()

    @abstractmethod
    def fetch(self, address: str) -> Path:
        """A bundle's folder, fetched where it is not here yet; who loads it checks the files.

        Args:
            address: With its scheme.

        Raises:
            BundleError: the address makes no sense, nothing is there, or it is not what it should be.
            DependencyError: what fetches it is not installed.
            SinkError: it cannot be kept.
        """


def scheme_of(bundle: object) -> str | None:
    """The scheme of an address, such as `hf` of `hf://org/name`; None for whatever is none."""
    found = _SCHEME.match(bundle) if isinstance(bundle, str) else None
    return found.group(1) if found else None
