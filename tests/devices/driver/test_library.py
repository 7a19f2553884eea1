"""The signatures of the driver's functions, against NVIDIA's header."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from ermu.devices.driver.library import SIGNATURES, call
from ermu.errors import BackendError
from tests.emulated_gpu.environment import cuda_home, missing

CHECK = """
#include <cuda.h>
#include <tuple>
template <typename... A> std::tuple<A...> arguments(CUresult (*)(A...));
template <typename T> constexpr int kind() {
    using Bare = std::remove_cv_t<T>;
    return std::is_pointer_v<Bare> ? 100 : sizeof(Bare);
}
"""


def kind(argument: type) -> int:
    """A pointer, or the size of a number."""
    pointer = argument in (ctypes.c_void_p, ctypes.c_char_p) or hasattr(argument, "contents")
    return 100 if pointer else ctypes.sizeof(argument)


def pointee(argument: type) -> int | None:
    """What a pointer leads to, where it is typed."""
    return kind(argument._type_) if hasattr(argument, "contents") else None  # type: ignore[attr-defined]


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_every_signature_is_that_of_the_header(tmp_path: Path) -> None:
    """Each function is declared under its versioned name, with as many arguments of these sizes."""
    lines = [CHECK]
    for name, signature in SIGNATURES.items():
        lines.append(f"using {name}_t = decltype(arguments(&{name}));")
        lines.append(f'static_assert(std::tuple_size_v<{name}_t> == {len(signature)}, "{name}");')
        for index, argument in enumerate(signature):
            found = f"std::tuple_element_t<{index}, {name}_t>"
            lines.append(f'static_assert(kind<{found}>() == {kind(argument)}, "{name} {index}");')
            inner = pointee(argument)
            if inner is not None:
                held = f"std::remove_pointer_t<{found}>"
                lines.append(f'static_assert(kind<{held}>() == {inner}, "{name} {index}*");')
    source = tmp_path / "check.cpp"
    source.write_text("\n".join(lines))
    command = [
        "g++",
        "-std=c++17",
        "-fsyntax-only",
        f"-I{cuda_home()}/include",
        str(source),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.usefixtures("emulated_driver")
def test_an_error_is_said_by_the_driver() -> None:
    from ermu.devices.driver.library import DriverError

    with pytest.raises(DriverError, match=r"invalid device context \(CUDA error 201 of cuMemFree_v2\)"):
        call("cuMemFree_v2", 4096)


@pytest.mark.usefixtures("emulated_driver")
def test_an_old_driver_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIGNATURES, "cuNewer", ())
    with pytest.raises(BackendError, match="driver has no cuNewer") as caught:
        call("cuNewer")
    assert caught.value.expected == "a driver for CUDA 12 or later"
