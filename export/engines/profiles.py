"""What engines are optimised for: network inputs, and the most of everything that varies at one."""

from __future__ import annotations

from collections.abc import Sequence

from ermu.errors import OptionError
from ermu.runtime.bundle.built import Profile
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.group_manifest import MOST_TOGETHER
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.memory.objects.bank import Limits

MOST_CLICKS = 64  # on one object at a time


def profiles_of(
    bundle: Bundle,
    sizes: Sequence[tuple[int, int]],
    max_memory: int | None,
    max_objects: int | None = None,
) -> tuple[Profile, ...]:
    """Profiles for each size, in order: where there are groups, of one and then of several at once.

    Args:
        bundle: The bundle.
        sizes: Network inputs (height, width); none for that of a bundle of fixed size.
        max_memory: Memory frames, as a bank's capacity counts them; None for the bundle's capacity.
        max_objects: Of those that share memories in groups, how many run at once; None for the most.

    Raises:
        OptionError: the bundle takes any size and none is named, a size does not fit it, or it cannot have so
            many memory frames.
    """
    manifest, rule = bundle.manifest, bundle.manifest.network.grid
    chosen = sorted(set(sizes) or ({manifest.input.size} if manifest.input.size else set()))
    if not chosen:
        raise OptionError(
            f"{bundle.path} takes any size, an engine is optimised for some.",
            fix=f"name the network input: --size {rule.example} for 640x360 video",
        )
    for size in chosen:
        if not rule.fits(size) or manifest.input.size not in (None, size):
            raise OptionError(
                f"Size {size[0]}x{size[1]} does not fit the bundle.",
                expected="x".join(map(str, manifest.input.size))
                if manifest.input.size
                else f"{rule.form} a side, from {rule.smallest}",
            )
    frames = max_memory or manifest.memory.capacity
    if frames < 2:
        raise OptionError(f"{frames} memory frames are too few.", expected="--max-memory of at least 2")
    most = most_of(manifest, frames)
    if "G" in most and max_objects is not None:
        most["G"] = min(most["G"], -(-max_objects // GROUP_SIZE))
    ranges = [most] if most.get("G", 1) == 1 else [{**most, "G": 1}, most]
    return tuple(
        Profile(size=size, frames=frames, most=tuple(counts.items())) for size in chosen for counts in ranges
    )


def most_of(manifest: Manifest, frames: int) -> dict[str, int]:
    """Symbols of shapes that vary from frame to frame, and the most that a bank of this capacity makes them.

    Raises:
        OptionError: the network cannot tell so many memory frames apart.
    """
    if not isinstance(manifest, ObjectManifest):
        return {"G": MOST_TOGETHER, "T": frames}
    rows = len(manifest.memory_rows)
    if frames > rows:
        raise OptionError(
            f"{frames} memory frames are too many for the network {manifest.network.name}.",
            expected=f"--max-memory of at most {rows}: it tells so many apart",
        )
    limits = Limits(frames, manifest.most_pointers)
    return {"T": limits.memory_room, "P": limits.pointer_room, "K": MOST_CLICKS}
