"""OpenVINO compiles a graph at the first size it meets; what it compiled is kept for the next process."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ermu.errors import ErmuError
from ermu.runtime.files import replace_atomically

logger = logging.getLogger("ermu.backends")

MOST_BYTES = 2**29
_SUM_BYTES = 4


class CompiledModels:
    """Compiled models in a folder, each in a file of its own; without a usable file one is compiled again.

    A file belongs to a release of OpenVINO and a kind of processor, has a checksum, and is written whole or
    not at all, so that several processes may share the folder. Those used longest ago go when all take more
    than `MOST_BYTES`.

    Args:
        core: OpenVINO's.
        folder: Need not exist; where it cannot be written, nothing is kept, which the log says.
    """

    def __init__(self, core: Any, folder: Path) -> None:
        import openvino

        self._core, self._folder = core, folder
        self._here = openvino.get_version(), core.get_property("CPU", "FULL_DEVICE_NAME")

    def get(self, of: Mapping[str, Any], options: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """A compiled model.

        Args:
            of: What it is made of, for JSON: hashes of its files, and its shapes.
            options: With which it is compiled, and loaded.
            make: Compiles it with these.
        """
        said = json.dumps([self._here, of, options], sort_keys=True)
        file = self._folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.blob"
        content = _read(file)
        if content is not None:
            try:
                return self._core.import_model(content, "CPU", dict(options))
            except RuntimeError as error:
                logger.info("%s is not taken, the graph is compiled again: %s", file, error)
        compiled = make()
        self._keep(file, compiled)
        return compiled

    def _keep(self, file: Path, compiled: Any) -> None:
        try:
            content = compiled.export_model().getvalue()
            self._folder.mkdir(parents=True, exist_ok=True)
            with replace_atomically(file) as temporary:
                temporary.write_bytes(_sum(content) + content)
            self._make_room()
        except (ErmuError, OSError, RuntimeError) as error:
            logger.info("What OpenVINO compiled is not kept: %s", error)

    def _make_room(self) -> None:
        kept = sorted(self._folder.glob("*.blob"), key=lambda file: file.stat().st_mtime)
        taken = sum(file.stat().st_size for file in kept)
        for file in kept[:-1]:
            if taken <= MOST_BYTES:
                break
            taken -= file.stat().st_size
            file.unlink(missing_ok=True)


def _read(file: Path) -> bytes | None:
    """A file's content, None where there is none or it is damaged; its time says that it was used."""
    try:
        found = file.read_bytes()
        os.utime(file)
    except OSError:
        return None
    content = found[_SUM_BYTES:]
    if _sum(content) != found[:_SUM_BYTES]:
        logger.info("%s is damaged: the graph is compiled again", file)
        return None
    return content


def _sum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_SUM_BYTES, "little")
