"""Registries: things of one kind by name, each in a module of its own or in another package.

A folder holds one module a thing, which assigns it to `PLUGIN`; the module's name, with hyphens for
underscores, is the thing's. Another package adds one by an entry point of the registry's group. Names are
known without importing anything, so that help texts cost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ermu.errors import OptionError

if TYPE_CHECKING:
    from logging import Logger

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind.

    Example:
        >>> from ermu.registries import POLICIES
        >>> "fifo" in POLICIES.names()
        True

    Args:
        kind: What they are called in messages: "policy".
        package: The package whose modules (or sub-packages) each define one.
        base: `module:Class` that each is a subclass, or an instance, of.
        group: Entry point group by which other packages add some; None, they cannot.
        folders: Only sub-packages count: a thing is a folder, not a file.
    """

    def __init__(
        self, kind: str, package: str, base: str, *, group: str | None = None, folders: bool = False
    ) -> None:
        self.kind, self.group = kind, group
        self._package, self._base, self._folders = package, base, folders

    def names(self) -> list[str]:
        """Every name, those of other packages last."""
        return [*self._own, *(name for name in self._added if name not in self._own)]

    def get(self, name: str) -> T:
        """The thing of that name.

        Raises:
            OptionError: there is none, or the package that adds it does not load.
        """
        if name in self._own:
            return cast(T, import_module(self._own[name]).PLUGIN)
        if name in self._added:
            return self._loaded(self._added[name])
        raise OptionError(f"Unknown {self.kind} '{name}'.", expected=f"one of {', '.join(self.names())}")

    def items(self) -> Iterator[tuple[str, T]]:
        """Name and thing, one after the other; imports each."""
        return ((name, self.get(name)) for name in self.names())

    def loadable(self, logger: Logger) -> Iterator[tuple[str, T]]:
        """Name and thing of all that load; of one that does not, `logger` warns, and the others go on."""
        for name in self.names():
            try:
                thing = self.get(name)
            except OptionError as error:
                logger.warning("%s", error.problem)
                continue
            yield name, thing

    @cached_property
    def _own(self) -> dict[str, str]:
        spec = find_spec(self._package)
        places = list(spec.submodule_search_locations or []) if spec else []
        found = (module for module in iter_modules(places) if module.ispkg or not self._folders)
        return {module.name.replace("_", "-"): f"{self._package}.{module.name}" for module in found}

    @cached_property
    def _added(self) -> dict[str, EntryPoint]:
        points = _installed(tuple(sys.path)).select(group=self.group) if self.group else ()
        return {point.name: point for point in points}

    def _loaded(self, point: EntryPoint) -> T:
        package: Any = point.dist.name if point.dist else "another package"
        fix = f"pip install --upgrade {package}, or remove it"
        what = f"The {self.kind} '{point.name}' of {package}"
        try:
            thing = point.load()
        except Exception as error:  # whatever the other package does while it is imported
            raise OptionError(f"{what} does not load: {error}.", fix=fix) from error
        module, _, name = self._base.partition(":")
        base = getattr(import_module(module), name)
        if not (isinstance(thing, base) or (isinstance(thing, type) and issubclass(thing, base))):
            raise OptionError(f"{what} is {thing!r}.", expected=f"a {name} (ermu.plugins)", fix=fix)
        return cast(T, thing)


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> Any:
    """Entry points of all packages on the path, read once: it takes longer than what a start does else."""
    return entry_points()
