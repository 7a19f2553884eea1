"""The live page and its API: steer running streams from a browser or a program."""

from __future__ import annotations

from .app import create_app
from .guard import Access
from .server import Server, check_access
from .streams import ServedStream, served

__all__ = ["Access", "ServedStream", "Server", "check_access", "create_app", "served"]
