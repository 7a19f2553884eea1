"""The memories that go with a network."""

from __future__ import annotations

from collections.abc import Iterator

from ermu.registries import POLICIES
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.bundle.sizes import Grids
from ermu.runtime.memory.objects.object_set import ObjectSet
from ermu.runtime.memory.objects.options import check_options, policies_of
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.groups import GroupSet
from ermu.runtime.memory.sets.memories import Memories
from ermu.runtime.memory.workspace import Workspace


def open_memories(
    backend: Backend,
    grids: Grids,
    source_hw: tuple[int, int],
    numbers: Iterator[int],
    *,
    before: Memories | None = None,
) -> Memories:
    """Empty memories for a backend's network.

    Args:
        backend: Runs the graphs.
        grids: Network input size.
        source_hw: Height and width of the frames.
        numbers: Yields the numbers of new units.
        before: What they take the place of: what depends on the network's size alone is kept.
    """
    if isinstance(backend.bundle.manifest, ObjectManifest):
        return ObjectSet(backend, grids, source_hw, numbers)
    kept = before.workspace if isinstance(before, GroupSet) and before.grids == grids else None
    return GroupSet(backend, kept or Workspace(backend, grids), source_hw, numbers)


def check_memory_options(manifest: Manifest, options: MemoryOptions) -> None:
    """Refuses options of memories that do not go with a network.

    Raises:
        OptionError: one does not.
    """
    if isinstance(manifest, ObjectManifest):
        check_options(manifest, options)


def policies_for(manifest: Manifest) -> list[str]:
    """Names of the policies that serve a network."""
    return policies_of(manifest) if isinstance(manifest, ObjectManifest) else POLICIES.names()
