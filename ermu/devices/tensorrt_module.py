"""TensorRT and TensorRT-RTX: one API under two module names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ermu.errors import BackendError, DependencyError, OptionError


@dataclass(frozen=True)
class TensorRTModule:
    """An installed TensorRT.

    Attributes:
        name: `tensorrt` or `tensorrt-rtx`.
        trt: Its Python module.
    """

    name: str
    trt: Any

    @property
    def version(self) -> str:
        """The release, which engines are tied to."""
        return str(self.trt.__version__)


RTX = "tensorrt-rtx"
# name: (module, extra of ermu that installs it)
MODULES = {"tensorrt": ("tensorrt", "tensorrt"), RTX: ("tensorrt_rtx", "rtx")}


def load_tensorrt(name: str, *, to_build: bool = False) -> TensorRTModule:
    """Imports a TensorRT.

    Args:
        name: `tensorrt` or `tensorrt-rtx`.
        to_build: Engines are built, not run: TensorRT-RTX then needs no GPU.

    Raises:
        BackendError: the module does not load (a library that it needs is missing).
        DependencyError: it is not installed.
        OptionError: the name is unknown.
    """
    if name not in MODULES:
        raise OptionError(f"There is no TensorRT '{name}'.", expected=f"one of {', '.join(MODULES)}")
    module, extra = MODULES[name]
    try:
        return TensorRTModule(name, import_module(module))
    except ModuleNotFoundError as error:
        purpose = f"Building engines with {name}" if to_build else f"The backend {name}"
        raise DependencyError(module, purpose, "rtx-build" if to_build and name == RTX else extra) from error
    except (ImportError, OSError) as error:
        raise BackendError(f"The module {module} does not load: {error}.", fix="ermu doctor") from error


class MessageLog:
    """Keeps what TensorRT says at error level and above, for error messages.

    Args:
        module: The TensorRT.
        listen: Hears every message, of any level.

    Attributes:
        logger: For TensorRT.
        errors: Messages at error level and above, oldest first.
    """

    def __init__(self, module: TensorRTModule, listen: Callable[[str], None] | None = None) -> None:
        self.errors: list[str] = []
        self.logger = self._logger(module.trt, listen or (lambda text: None))

    def _logger(self, trt: Any, listen: Callable[[str], None]) -> Any:
        errors, severity = self.errors, trt.ILogger.Severity

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, level: Any, message: str) -> None:
                if level in (severity.INTERNAL_ERROR, severity.ERROR):
                    errors.append(message)
                listen(message)

        return Logger()


def rtx_targets(module: TensorRTModule) -> tuple[str, ...]:
    """The GPUs that a TensorRT-RTX builds engines for, such as `sm89`; it supports no others."""
    names = module.trt.ComputeCapability.__members__
    return tuple(f"sm{name[2:]}" for name in names if name.startswith("SM"))


def target_name(capability: tuple[int, int]) -> str:
    """`sm89` for compute capability 8.9."""
    return f"sm{capability[0]}{capability[1]}"
