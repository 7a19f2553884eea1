"""A device that kernels are launched on: what the CUDA kernels need of one."""

from __future__ import annotations

import ctypes
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext

from ermu.devices.base import Device
from ermu.devices.graphs.recorder import Work
from ermu.types import Array

Size = tuple[int, int, int]


class GpuDevice(Device):
    """A device with modules of compiled kernels, launched in its one stream.

    Attributes:
        capability: Compute capability, (major, minor).
    """

    capability: tuple[int, int]

    def enqueue(self, work: Work) -> None:
        """Puts work into the stream; inside `repeating`, perhaps later."""
        work.run()

    def repeating(self) -> AbstractContextManager[None]:
        """A `with` block whose work comes again every frame: it may be held back, to be enqueued as one."""
        return nullcontext()

    def flush(self) -> None:
        """Enqueues what is held back; called before memory goes that it may use."""
        return

    @abstractmethod
    def shared_word(self) -> tuple[Array, int]:
        """An int32 of the host's that kernels write, too: (1,) zero, and its address for them.

        What they wrote is there once the device has been waited for; gone when the device is closed.

        Raises:
            BackendError: there is not enough memory.
        """

    @abstractmethod
    def load_module(self, image: bytes) -> None:
        """Makes a module's functions known to `launch`; a module loaded before is not loaded again.

        Args:
            image: A fatbin or a cubin.

        Raises:
            BackendError: the device cannot run it.
        """

    @abstractmethod
    def launch(
        self, function: str, grid: Size, block: Size, params: ctypes.Structure, *, once: bool = False
    ) -> None:
        """Starts a function whose only argument is `params` by value.

        Args:
            function: Its name in one of the modules loaded.
            grid: Blocks along x, y and z.
            block: Threads of a block along x, y and z.
            params: The argument.
            once: That the very same launch does not come again: inside `repeating`, it is not held back.

        Raises:
            BackendError: the function is unknown, or the device refused or failed.
        """
