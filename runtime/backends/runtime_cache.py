"""TensorRT-RTX compiles an engine's kernels when it first runs; they are kept for the next process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ermu.errors import ErmuError
from ermu.runtime.files import replace_atomically

logger = logging.getLogger("ermu.backends")


class RuntimeCache:
    """Compiled kernels of one engine on one kind of GPU; without a usable file they are compiled again.

    TensorRT-RTX itself checks whether a file fits its release, the GPU and CUDA.

    Args:
        engine: Of TensorRT-RTX, deserialised.
        path: Of the file; need not exist.
    """

    def __init__(self, engine: Any, path: Path) -> None:
        self._engine, self._path = engine, path
        self._cache = engine.create_runtime_config().create_runtime_cache()
        self._known = self._read()

    def config(self, strategy: Any) -> Any:
        """What an execution context is created with, its memory allocated as `strategy` says.

        A context has a config of its own; the cache is common to all.
        """
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategy)
        if not config.set_runtime_cache(self._cache):
            logger.info("TensorRT-RTX takes no runtime cache: %s is not used", self._path)
        return config

    def save(self) -> None:
        """Writes what was compiled since, whole or not at all; a full disk is only logged."""
        found = self._cache.serialize()
        content = bytes(found) if found is not None else b""
        if not content or content == self._known:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replace_atomically(self._path) as temporary:
                temporary.write_bytes(content)
        except (ErmuError, OSError) as error:
            logger.info("What TensorRT-RTX compiled is not kept: %s", error)
        else:
            self._known = content

    def _read(self) -> bytes:
        try:
            content = self._path.read_bytes()
        except OSError:
            return b""
        if not self._cache.deserialize(content):
            logger.info("%s is not a cache that TensorRT-RTX takes: kernels are compiled again", self._path)
            return b""
        return content
