"""`python -m tests.emulated_gpu COMMAND ...`: runs it on the GPU, on the emulated one where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.emulated_gpu.environment import UnavailableError, environment
from tests.support.gpu import no_gpu


def main(command: list[str]) -> int:
    """Runs the command; returns its exit code."""
    reason = no_gpu()
    if reason is None:
        from ermu.devices.cuda import device_description

        print(f"On the GPU: {device_description()['name']}.", flush=True)
        return subprocess.run(command, check=False).returncode
    try:
        emulated = environment()
    except UnavailableError as error:
        print(f"On no GPU at all ({reason}); nor on an emulated one: {error}", flush=True)
        return subprocess.run(command, check=False).returncode
    print(f"On the emulated GPU ({reason.splitlines()[0]})", flush=True)
    return subprocess.run(command, check=False, env={**os.environ, **emulated}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
