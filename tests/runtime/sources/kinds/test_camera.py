"""Cameras by index and by device: which descriptions name one, and what is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ermu.errors import SourceError
from ermu.runtime.sources.kinds.camera import CameraSource
from ermu.runtime.sources.opening import open_source


@pytest.mark.parametrize(
    ("where", "is_one"),
    [
        ("0", True),
        ("/dev/video0", True),
        ("/dev/v4l/by-id/usb-046d_HD_Webcam-video-index0", True),
        ("/dev/v4l/by-path/pci-0000:00:14.0-usb-0:1:1.0-video-index0", True),
        ("/dev/null", False),
        ("video0", False),
        ("-1", False),
    ],
)
def test_what_names_a_camera(where: str, is_one: bool) -> None:
    assert CameraSource.opens(where) is is_one


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(SourceError, match=r"There is no camera /dev/v4l/by-id/usb-none") as refused:
        open_source("/dev/v4l/by-id/usb-none")
    assert refused.value.expected and "connected" in str(refused.value.fix)


@pytest.mark.skipif(Path("/dev/video97").exists(), reason="there is a camera here")
def test_an_index_without_a_camera(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says it, and OpenCV nothing beside it."""
    with pytest.raises(SourceError, match="There is no camera 97"):
        open_source("97")
    monkeypatch.setattr(sys, "platform", "darwin")  # where no device's file says whether there is one
    with pytest.raises(SourceError, match="Camera 97 cannot be opened"):
        open_source("97")
    assert capfd.readouterr() == ("", "")
