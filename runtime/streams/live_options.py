"""How a pipeline treats a stream that goes on."""

from __future__ import annotations

from dataclasses import dataclass

from ermu.errors import OptionError

ON_ADD = ("group", "restart")


@dataclass(frozen=True)
class LiveOptions:
    """What to do about losses and additions.

    Attributes:
        on_add: `group` gives new objects memories of their own and leaves everybody else's alone; `restart`
            begins every memory anew from the predicted label map, as the published code does.
        lost_seconds: Without a pixel after which an object counts as lost.
        stale_seconds: Without a frame after which the stream counts as stale; None, by its own rate.
        give_up_seconds: Without a frame after which the stream has ended; None, never.
        wait_for_objects: Hold a file at its first frame while there is nothing to follow: somebody will draw
            on it. Live streams go on.

    Raises:
        OptionError: a choice is unknown, or a time out of range.
    """

    on_add: str = "group"
    lost_seconds: float = 2.0
    stale_seconds: float | None = None
    give_up_seconds: float | None = None
    wait_for_objects: bool = False

    def __post_init__(self) -> None:
        if self.on_add not in ON_ADD:
            raise OptionError(f"Unknown way to add objects '{self.on_add}'.", expected=" or ".join(ON_ADD))
        if not self.lost_seconds >= 0:
            raise OptionError(f"lost_seconds is {self.lost_seconds}.", expected="0 seconds or more")
        for name in ("stale_seconds", "give_up_seconds"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise OptionError(f"{name} is {seconds}.", expected="more than 0 seconds")
