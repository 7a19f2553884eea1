"""Fixtures of the page's tests: a real server on a procedural stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.sources.opening import open_source
from ermu.runtime.sources.paced import PacedSource
from ermu.runtime.streams.pipeline import Pipeline
from ermu.runtime.streams.work.scheduler import Scheduler
from ermu.runtime.streams.work.shared_backend import SharedBackend
from tests.runtime.conftest import until

pytest.importorskip("starlette", reason="the page needs the extra `serve`")
pytest.importorskip("uvicorn", reason="the page needs the extra `serve`")

from ermu.runtime.serve.access.connections import ConnectionLimits
from ermu.runtime.serve.app import create_app
from ermu.runtime.serve.broadcast import Broadcast
from ermu.runtime.serve.guard import Access
from ermu.runtime.serve.server import Server
from ermu.runtime.serve.streams import ServedStream, served

SCENE = "scene:11,size=120x160,frames=60,objects=3,fps=12,swing"


@dataclass(frozen=True)
class Serving:
    """A running server with its streams."""

    url: str
    port: int
    streams: dict[str, ServedStream]
    server: Server


@contextmanager
def serving(
    bundle: Path,
    *,
    scenes: tuple[str, ...] = (SCENE,),
    access: Access | None = None,
    limits: ConnectionLimits | None = None,
) -> Iterator[Serving]:
    """Streams and server, running until the block ends."""
    with SharedBackend(Bundle.load(bundle), len(scenes), threads=1, gap=2) as shared:
        broadcasts = [Broadcast() for _ in scenes]
        parts = zip(shared.segmenters, scenes, broadcasts, strict=True)
        pipelines = [
            Pipeline(segmenter, PacedSource(open_source(scene)), [broadcast], name=str(number))
            for number, (segmenter, scene, broadcast) in enumerate(parts)
        ]
        for pipeline in pipelines:
            pipeline.begin()
        streams = served(pipelines, broadcasts)
        scheduler = Scheduler(pipelines, endless=True)
        worker = threading.Thread(target=scheduler.run)
        worker.start()
        try:
            proxy = access.proxy if access else None
            with Server(create_app(streams, access), port=0, proxy=proxy, limits=limits) as server:
                assert until(lambda: all(pipeline.frames for pipeline in pipelines))
                yield Serving(server.url.rstrip("/"), server.port, streams, server)
        finally:
            scheduler.stop()
            worker.join(5)
            for pipeline in pipelines:
                pipeline.source.close()


@pytest.fixture
def serve(tiny_bundle: Path) -> Iterator[Callable[..., Serving]]:
    """Starts servers: `serve(access=Access(...))`."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serving(tiny_bundle, **options))
