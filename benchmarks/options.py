"""What a benchmark is asked to run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ermu.errors import OptionError

DEFAULT_SIZE = (360, 640)


@dataclass(frozen=True)
class NamedPeer:
    """A peer as it was asked for.

    Attributes:
        name: Of the registry.
        weights: Its own, of `NAME=PATH`.
    """

    name: str
    weights: Path | None = None

    @classmethod
    def parse(cls, text: str) -> NamedPeer:
        """Of `NAME` or `NAME=PATH`.

        Raises:
            OptionError: nothing follows the sign.
        """
        name, separator, path = text.partition("=")
        if separator and not path:
            raise OptionError(f"The peer '{text}' names no weights.", expected="NAME or NAME=PATH")
        return cls(name, Path(path).expanduser() if path else None)


@dataclass(frozen=True)
class BenchOptions:
    """One point of measurement; None means the bundle's own value.

    Attributes:
        bundle: Path, or `demo`.
        source: Anything `ermu run` takes; None draws a procedural scene.
        prompt: Label map of the source's first frame.
        size: (height, width) of the scene's frames and, rounded to the grid, of the network input.
        objects: Drawn in the scene; a source has as many as its prompt.
        memory: T, memory frames held while timing.
        gap: Frames between two appends.
        frames: Timed; rounded up to whole gap cycles.
        warmup: Before them, memory already full; rounded likewise.
        threads: Of each candidate; None for all usable cores.
        against: Peers, `NAME` or `NAME=PATH` of their own weights.
        checkpoint: Of the bundle, for peers in torch.
        precision, device, backend: Of ours; peers run the bundle's own precision.
        policy: Of everybody; None for ermu with AOT's families, for the bundle's own with SAM's.
        overlay: Also time the pipeline with labels and an overlay video written.
        scale: Axes of scaling tables.
    """

    bundle: str
    source: str | None = None
    prompt: Path | None = None
    size: tuple[int, int] | None = None
    objects: int = 10
    memory: int | None = None
    gap: int | None = None
    frames: int = 200
    warmup: int = 20
    threads: int | None = None
    against: tuple[str, ...] = ()
    checkpoint: Path | None = None
    precision: str | None = None
    device: str = "cpu"
    backend: str = "auto"
    policy: str | None = None
    overlay: bool = False
    scale: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size is not None and self.source is not None:
            raise OptionError(
                "Both --source and --size were given.", expected="one: a source has its own size"
            )
        for name, least in (("objects", 1), ("memory", 1), ("gap", 1), ("frames", 1), ("warmup", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise OptionError(f"--{name} {value} cannot be measured.", expected=f"at least {least}")

        names = [peer.name for peer in self.peers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise OptionError(f"The peer {twice[0]} was given twice.", expected="each peer once")

    @property
    def peers(self) -> tuple[NamedPeer, ...]:
        """Those of `against`."""
        return tuple(map(NamedPeer.parse, self.against))

    def to_json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> BenchOptions:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        for name, kind in (
            ("prompt", Path),
            ("checkpoint", Path),
            ("size", tuple),
            ("against", tuple),
            ("scale", tuple),
        ):
            fields[name] = None if fields[name] is None else kind(fields[name])
        return cls(**fields)
