"""The emulated GPU itself: each planted fault is caught, so that a clean run means something."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

PLANTED = "tests.emulated_gpu.scripts.planted"


def test_a_context_left_on_a_thread_is_told(python: Callable) -> None:
    ran = python("-m", PLANTED, "pushed_context")
    assert "a thread ends with a context on its stack" in ran.stderr


def test_host_memory_that_the_driver_took_back_is_not_there(python: Callable) -> None:
    assert python("-m", PLANTED, "pinned_after_a_reset").returncode == -signal.SIGSEGV


@pytest.mark.parametrize("fault", ["freed_buffer", "freed_buffer_in_a_graph"])
def test_a_freed_buffer_in_use_is_an_error(python: Callable, fault: str) -> None:
    ran = python("-m", PLANTED, fault)
    assert ran.returncode == 0, ran.stderr
    assert "GPU 0 (Emulated GPU) failed while" in ran.stdout
    assert "memory that was freed" in ran.stderr


@pytest.mark.parametrize("fault", ["dropped_synchronisation", "swapped_stream"])
def test_what_is_not_waited_for_is_not_there(python: Callable, fault: str) -> None:
    ran = python("-m", PLANTED, fault)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "stale\n", "")


def test_tensorrt_refuses_what_the_real_one_refuses(python: Callable, engines: Callable) -> None:
    ran = python("-m", "tests.emulated_gpu.scripts.refusals", engines("aot"))
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


def test_onnxruntime_refuses_and_waits_as_the_real_one_does(python: Callable, engines: Callable) -> None:
    ran = python("-m", "tests.emulated_gpu.scripts.provider_refusals", engines("aot"))
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
