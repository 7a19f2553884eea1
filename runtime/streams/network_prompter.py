"""Masks of clicks and boxes by a network that takes them, for a stream that another network follows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

from ermu.errors import OptionError
from ermu.runtime.backends.base import Backend
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.bundle.object_manifest import ObjectManifest
from ermu.runtime.images.prompter import Box, Point, Prompter, check_points
from ermu.runtime.segmenter import Segmenter
from ermu.runtime.streams.work.recovery import Recovery
from ermu.types import Image, Mask


class NetworkPrompter(Prompter):
    """A `Prompter` that asks a SAM bundle about one frame at a time; nothing is remembered between two.

    Args:
        bundle: Of a network that takes clicks (docs/sam2.md): loaded, its folder or name.
        recovery: Of the device, with the streams that work on it; None, nobody else does.
        options: As of `Segmenter`: backend, device, threads, precision, kernels.

    Raises:
        OptionError: the bundle's network takes no clicks, or an option is not one of `Segmenter`.
        BundleError: the bundle is damaged.
        BackendError: the backend does not run here.
    """

    def __init__(
        self, bundle: Bundle | str | Path, *, recovery: Recovery | None = None, **options: Any
    ) -> None:
        loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        check_takes_clicks(loaded.manifest)
        self._lock, self._closed = Lock(), False
        self._open = partial(Segmenter, loaded, **options)
        self._segmenter = self._open()
        self._recovery = recovery or Recovery()
        self._recovery.join(self)

    @property
    def backend(self) -> Backend:
        """Runs the network; another one after `open_again`."""
        return self._segmenter.backend

    def from_box(self, frame: Image, box: Box) -> Mask:
        """See `Prompter.from_box`; `StateError` once it is closed."""
        return self._ask(frame, box)

    def from_points(self, frame: Image, points: Sequence[Point]) -> Mask:
        """See `Prompter.from_points`; `StateError` once it is closed."""
        return self._ask(frame, points)

    def corrected(self, frame: Image, mask: Mask, hint: Box | Sequence[Point]) -> Mask:
        """See `Prompter.corrected`: what the network sees there, whatever the mask was.

        Where every point is negative, the mask's innermost pixel away from them stands for the object.
        """
        if isinstance(hint, Box):
            return self._ask(frame, hint)
        check_points(frame.shape[:2], hint, positive=not mask.any())
        if any(point.positive for point in hint):
            return self._ask(frame, hint)
        return self._ask(frame, [_innermost(mask, hint), *hint])

    def close(self) -> None:
        """Frees the network; closing twice is harmless."""
        with self._lock:
            self._closed = True
            self._segmenter.close()

    def leave_device(self) -> None:
        """Lets go of everything on the device, which has been lost."""
        with self._lock:
            self._segmenter.close()

    def open_again(self) -> None:
        """Opens the network anew, unless it is closed.

        Raises:
            BackendError: it cannot be opened.
        """
        with self._lock:
            if not self._closed:
                self._segmenter = self._open()

    def _ask(self, frame: Image, hint: Box | Sequence[Point]) -> Mask:
        with self._recovery.turn_of_another(lambda: self.backend.device.lost), self._lock:
            self._segmenter.start(frame)
            return self._segmenter.mask_at(hint)


def check_takes_clicks(manifest: Manifest) -> None:
    """Refuses a network as a prompter that takes no clicks.

    Raises:
        OptionError: it takes none.
    """
    if not isinstance(manifest, ObjectManifest):
        raise OptionError(
            f"The network {manifest.network.name} takes no clicks or boxes: it is no prompter.",
            expected="a bundle of SAM 2, SAM 2.1 or EdgeTAM",
            fix="make one with ermu export (docs/sam2.md), or leave the prompter out: GrabCut",
        )


def _innermost(mask: Mask, away: Sequence[Point]) -> Point:
    """The pixel of a mask that is farthest from its border, the frame's and some points."""
    inside = np.pad(mask.astype(np.uint8), 1)
    for point in away:
        inside[1 + int(point.y), 1 + int(point.x)] = 0
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return Point(float(x), float(y))
