"""A source: an ordered stream of frames, from a file that delivers all of them or from a live camera."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

from ermu.closing import Closing
from ermu.devices.base import Device
from ermu.errors import SourceError
from ermu.runtime.images.frames import GpuPicture, Picture
from ermu.runtime.sources.connections.options import ConnectionOptions
from ermu.types import Image, LabelMap

DEFAULT_FPS = 25.0


class _Shown:
    """A frame's BGR picture; one that lies on a GPU is brought down when it is read."""

    def __get__(self, frame: Frame | None, kind: type[Frame]) -> Image:
        if frame is None:
            raise AttributeError("image")  # so that it has no default
        picture = frame.picture
        return picture.image() if isinstance(picture, GpuPicture) else picture

    def __set__(self, frame: Frame, picture: Picture) -> None:
        frame.__dict__["_picture"] = picture


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes:
        index: Counted from 0; a live source goes on counting after a reconnection.
        name: What results for this frame are called: the image's stem, or the index in five digits.
        image: BGR uint8 H x W x 3; may be given as a picture on a GPU, and is brought down when it is read.
        time: Seconds on the stream's own axis: from a file's first frame, or the monotonic clock when live.
        stamp: Monotonic clock at decoding, from which latency is counted.
        damaged: How many frames are damaged here: this one, and those just before it that did not come.
    """

    index: int
    name: str
    image: _Shown = _Shown()
    time: float = 0.0
    stamp: float = field(default_factory=monotonic)
    damaged: int = 0

    @property
    def picture(self) -> Picture:
        """As it was given: BGR on the host, or on a GPU still."""
        picture: Picture = self.__dict__["_picture"]
        return picture

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its picture, (H, W, 3); nothing is brought down for it."""
        return self.picture.shape

    @property
    def gone(self) -> bool:
        """Whether its picture was on a GPU that has been reset since, and nobody has it any more."""
        picture = self.picture
        return isinstance(picture, GpuPicture) and picture.gone

    def for_device(self, device: Device) -> Picture:
        """Its picture on that device where it lies there, else its BGR picture."""
        picture = self.picture
        here = isinstance(picture, GpuPicture) and picture.lies_on(device)
        return picture if here else self.image


class Source(Closing, ABC):
    """Yields `Frame`s when iterated; a context manager.

    A kind is a subclass in a module of its own (`ermu.runtime.sources.kinds`), or in another package.

    Attributes:
        help: In a line: how the command line names one.
        rank: Kinds are asked in this order, and of one rank by name: 0 for those with a prefix, which is no
            path; 1 for those that know their files; 2 for whatever file is left.
        live: Frames come when they come, and only the newest is worth having.
        reconnects: An end or a failure is a loss, and iterating again is a new connection.
        fps: Nominal frames a second.
        total_frames: Number of frames where it is known.
        missing: Frames that a file promised and that did not come, known at its end.
        description: What it is, fit for logs and pages: without passwords.
        awaits: What a live source waits for now, in words.
    """

    help: str = ""
    rank: int = 0
    live: bool = False
    reconnects: bool = False
    fps: float = DEFAULT_FPS
    total_frames: int | None = None
    missing: int = 0
    description: str = ""
    awaits: str = ""

    @classmethod
    def opens(cls, where: str) -> bool:
        """Whether a description names a source of this kind; cheap, and opens nothing."""
        return False

    @classmethod
    def open(cls, where: str) -> Source:
        """The source that a description names, one that it `opens`.

        Raises:
            SourceError: nothing is there, or it holds no image. A network address is not tried yet.
        """
        raise SourceError(f"{cls.__name__} is not opened from a description.", expected="its constructor")

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...

    def decode_on(self, device: str) -> None:
        """Has its video decoded on a device, from the next iteration on; the CPU may stand in, and warns.

        A source without video to decode stays as it is.

        Args:
            device: `cpu`, or `cuda`, `cuda:1` and so on for a GPU's own decoder.
        """
        return

    def leave_on(self, device: str) -> None:
        """Has it leave its pictures on a device where that decodes them, from the next iteration on.

        Where it does not, or for pictures that nothing reads there, they come to the host as ever.

        Args:
            device: `cpu`, the default, or the GPU that reads them.
        """
        return

    def connect_with(self, options: ConnectionOptions) -> None:
        """Has it connect as an operator chose, from the next iteration on.

        A source that makes no connection stays as it is.

        Raises:
            OptionError: the choice does not go with its address.
        """
        return

    def close(self) -> None:
        """Releases the device or file; an iteration under way ends soon after. Twice is harmless."""
        return

    def first_label(self) -> LabelMap | None:
        """The label map of the first frame, uint8 H x W, where the source knows it."""
        return None


def still_there(frame: Frame | None) -> Frame | None:
    """A frame, None where its picture is gone."""
    return None if frame is None or frame.gone else frame


def live_frame(index: int, image: Picture) -> Frame:
    """A frame just decoded from a live stream: its time is now."""
    now = monotonic()
    return Frame(index, f"{index:05d}", image, time=now, stamp=now)
