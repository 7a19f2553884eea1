"""What may follow `--device`."""

from __future__ import annotations

import pytest

from ermu.devices.names import DeviceName, parse_device
from ermu.errors import OptionError


@pytest.mark.parametrize(
    ("name", "meant", "shortest"),
    [
        ("cpu", DeviceName("cpu"), "cpu"),
        ("cuda", DeviceName("cuda", 0), "cuda"),
        ("cuda:0", DeviceName("cuda", 0), "cuda"),
        ("cuda:1", DeviceName("cuda", 1), "cuda:1"),
        ("cuda:15", DeviceName("cuda", 15), "cuda:15"),
    ],
)
def test_names(name: str, meant: DeviceName, shortest: str) -> None:
    assert parse_device(name) == meant
    assert str(meant) == shortest
    assert meant.on_gpu == name.startswith("cuda")


@pytest.mark.parametrize("name", ["", "tpu", "CUDA", "cpu:1", "cuda:", "cuda:-1", "cuda:1 ", "cuda:one", "1"])
def test_what_is_no_device(name: str) -> None:
    with pytest.raises(OptionError, match="Unknown device") as caught:
        parse_device(name)
    assert "cuda:N" in str(caught.value.expected)
