"""The live page beside a command's streams: what it shows and where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.errors import DependencyError

if TYPE_CHECKING:
    from rich.console import Console

    from ermu.runtime.serve.broadcast import Broadcast
    from ermu.runtime.serve.guard import Access
    from ermu.runtime.serve.server import Server
    from ermu.runtime.streams.pipeline import Pipeline


@dataclass(frozen=True)
class ServerOptions:
    """Where the page is served, to whom, and what stands in front of it."""

    host: Annotated[str, typer.Option(help="Address to bind; any but this machine's own needs a token.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000
    token: Annotated[
        str | None,
        typer.Option(envvar="ERMU_TOKEN", help="Ask it of every request; open the page as /?token=..."),
    ] = None
    public_url: Annotated[
        str | None,
        typer.Option(
            help="The page's address in the browser where a proxy is in front: https://a.org/ermu/."
        ),
    ] = None
    root_path: Annotated[
        str | None,
        typer.Option(help="The path below which a proxy shows the page, /ermu; default: --public-url's."),
    ] = None
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network whose X-Forwarded-* headers are believed; repeatable."),
    ] = None

    def access(self) -> Access:
        """Who may ask.

        Raises:
            OptionError: an option is not as it should be, or a token is missing.
        """
        from ermu.runtime.serve.access.proxy import Proxy
        from ermu.runtime.serve.guard import Access
        from ermu.runtime.serve.server import check_access

        proxy = Proxy.of(self.public_url, self.root_path, self.trust_proxy or ())
        local = check_access(self.host, self.token, proxy.url)
        return Access(token=self.token, local_only=local and self.token is None, proxy=proxy)


def need_server() -> None:
    """Raises `DependencyError` where what serves the page is not installed."""
    try:
        import ermu.runtime.serve.app
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

    app = create_app(served(pipelines, broadcasts), access)
    with Server(app, host=host, port=port, proxy=access.proxy) as server:
        yield server
