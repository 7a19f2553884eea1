"""Passwords are taken out of whatever leaves the process."""

from __future__ import annotations

import pytest

from ermu.runtime.sources.redaction import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:pa@ss@cam/1", "rtsp://***@cam/1"),
        ("rtsp://10.0.0.1/user=admin_password=secret_channel=1", "rtsp://10.0.0.1/user=***"),
        ("https://cam/live?channel=2&token=abc&x=1", "https://cam/live?channel=2&token=***&x=1"),
        ("frames/*.jpg", "frames/*.jpg"),
    ],
)
def test_credentials_are_taken_out(text: str, shown: str) -> None:
    assert redact(text) == shown
