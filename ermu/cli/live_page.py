"""The live page beside a command's streams: what it shows and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ermu.errors import DependencyError

if TYPE_CHECKING:
    from rich.console import Console

    from ermu.runtime.serve.broadcast import Broadcast
    from ermu.runtime.serve.guard import Access
    from ermu.runtime.serve.server import Server
    from ermu.runtime.streams.pipeline import Pipeline


def need_server() -> None:
    """Raises `DependencyError` where what serves the page is not installed."""
    try:
        import ermu.runtime.serve.server  # noqa: F401
    except ImportError as error:
        raise DependencyError(error.name or "starlette", "The live page", "serve") from error


def can_serve() -> bool:
    """Whether the page can be served here."""
    try:
        need_server()
    except DependencyError:
        return False
    return True


def page_views(count: int) -> list[Broadcast]:
    """A sink a stream that the page shows.

    Raises:
        DependencyError: what serves the page is not installed.
    """
    need_server()
    from ermu.runtime.serve.broadcast import Broadcast

    return [Broadcast() for _ in range(count)]


def open_page(
    stack: ExitStack, console: Console, pipelines: Sequence[Pipeline], views: Sequence[Broadcast], port: int
) -> Callable[[], None]:
    """Opens the page until `stack` ends, for this machine alone, and prints where it is.

    Returns:
        What begins to stop it; it returns at once.
    """
    from ermu.cli.printing import plain
    from ermu.runtime.serve.guard import Access

    server = stack.enter_context(live_page(pipelines, views, Access(local_only=True), port=port))
    waiting = any(pipeline.awaits_prompt for pipeline in pipelines)
    plain(console, f"{'draw what to follow' if waiting else 'the page is'} at {server.url}")
    return server.stop


@contextmanager
def live_page(
    pipelines: Sequence[Pipeline],
    broadcasts: Sequence[Broadcast],
    access: Access,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> Iterator[Server]:
    """Serves the page and the API of streams that have begun.

    Args:
        pipelines: Of the streams.
        broadcasts: A sink of each.
        access: Who may ask.
        host: Address to bind.
        port: 0 takes a free one.

    Raises:
        ErmuError: the address cannot be bound.
    """
    from ermu.runtime.serve.app import create_app
    from ermu.runtime.serve.server import Server
    from ermu.runtime.serve.streams import served

    with Server(create_app(served(pipelines, broadcasts), access), host=host, port=port) as server:
        yield server
