"""What can go wrong, said so that a user knows what was found, what was expected and how to mend it."""

from __future__ import annotations

from ermu.redaction import redact

_TORCH_IS_LARGE = (
    "; torch brings CUDA along then, 5.7 GB: for the CPU alone, "
    "pip install torch --index-url https://download.pytorch.org/whl/cpu before it"
)


def counted(count: float, noun: str) -> str:
    """A number of things, in words: `1 stream`, `2 streams`."""
    shown = f"{count:g}" if isinstance(count, float) else count
    return f"{shown} {noun}{'' if count == 1 else 's'}"


class ErmuError(Exception):
    """Base of every error that ERMU raises on purpose; the CLI prints it without a traceback.

    Credentials in what it says are replaced by asterisks (`ermu.redaction`), so it may be shown anywhere.

    Args:
        problem: What was found, naming the file or value.
        expected: What would have been accepted.
        fix: What to do about it, ideally a command.

    Attributes:
        exit_code: Of a command that it ends.
    """

    exit_code = 1

    def __init__(self, problem: str, *, expected: str | None = None, fix: str | None = None) -> None:
        self.problem = redact(problem)
        self.expected, self.fix = (text and redact(text) for text in (expected, fix))
        parts = [self.problem]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.fix:
            parts.append(f"Fix: {self.fix}")
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles by attributes, so that an error of any subclass crosses from a worker process."""
        return _restore, (type(self), self.problem, self.expected, self.fix)


def _restore(kind: type[ErmuError], problem: str, expected: str | None, fix: str | None) -> ErmuError:
    error = kind.__new__(kind)
    ErmuError.__init__(error, problem, expected=expected, fix=fix)
    return error


class OptionError(ErmuError, ValueError):
    """An argument or option is unknown, out of range, or does not go with another."""


class StateError(ErmuError, RuntimeError):
    """Something was asked for before it can be had, or after it is over."""


class CheckpointError(ErmuError):
    """A checkpoint is missing, damaged, unsafe to load, or belongs to another network."""


class BundleError(ErmuError):
    """A bundle is incomplete, altered, of another format version, or cannot serve the request."""


class SourceError(ErmuError):
    """A source of frames cannot be opened, ends at once, or delivers something that is not a frame."""


class PromptError(ErmuError):
    """A first label map does not fit the video or the object capacity."""


class AnnotationError(ErmuError):
    """An annotation file is damaged, or holds what label maps cannot; or the other way round."""


class SinkError(ErmuError):
    """A result cannot be written where it should go."""


class SessionError(ErmuError):
    """A saved session is damaged, foreign, of another format version, or belongs to another bundle."""


class KernelError(ErmuError):
    """A kernel was given tensors that it cannot take, or cannot be built or launched."""


class BackendError(ErmuError):
    """A graph cannot be loaded or run on the chosen device."""


class DeviceLostError(BackendError):
    """A fault has ended a device for this process; whatever supervises it may start it anew.

    Args:
        reason: What came of resetting the device.
    """

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again

    def __init__(self, reason: ErmuError) -> None:
        super().__init__(
            f"The device is lost to this process, resetting it did not help: {reason.problem}",
            fix="start the process anew, as a supervisor does on exit code 75; nvidia-smi must list the GPU",
        )


class DatasetError(ErmuError):
    """A dataset folder does not have the layout its name promises."""


class BenchmarkError(ErmuError):
    """A benchmark was asked for what it cannot measure, or a result file cannot be used."""


class DependencyError(ErmuError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed.",
            fix=f"pip install 'ermu[{extra}]'" + (_TORCH_IS_LARGE if package == "torch" else ""),
        )
