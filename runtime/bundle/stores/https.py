"""Archives by address: `https://host/bundle.tar.gz#sha256=HEX`, also http:// and file://."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from base64 import b64encode
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from ermu.errors import BundleError, SinkError
from ermu.kernels.cache import cache_folder
from ermu.runtime.bundle.archive import unpack
from ermu.runtime.bundle.store import BundleStore
from ermu.runtime.files import unwritable
from ermu.version import __version__

_PINNED = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)
_SECONDS = 30.0  # without a byte
_BLOCK = 1 << 20

logger = logging.getLogger("ermu.bundles")


class Archives(BundleStore):
    """A zip or tar archive of a bundle's folder, kept unpacked in ERMU's cache under its SHA-256."""

    help = "https://host/bundle.tar.gz#sha256=HEX: an archive (tar, zip); http:// and file:// likewise"
    schemes = ("https", "http", "file")

    def fetch(self, address: str) -> Path:
        """See `BundleStore.fetch`; what is here is not asked for again."""
        parts = urlsplit(address)
        pinned = _PINNED.fullmatch(parts.fragment)
        if pinned is None:
            raise BundleError(
                f"{_shown(address)} does not say which file it is to be.",
                expected="an address that ends in #sha256= and 64 hex digits",
                fix="sha256sum FILE prints them, where the archive was made",
            )
        sha256 = pinned.group(1).lower()
        name = re.sub(r"[^\w.-]", "_", PurePosixPath(unquote(parts.path)).name).split(".")[0] or "bundle"
        folder = cache_folder("bundles") / f"{name}-{sha256[:16]}"
        if (folder / "manifest.json").is_file():
            return folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
                archive = Path(place, "archive")
                with archive.open("wb") as file:
                    _download(address, sha256, file)
                unpacked = unpack(archive, Path(place, "unpacked"), _shown(address))
                _keep(unpacked, folder)
        except OSError as error:
            raise unwritable(folder, error) from error
        return folder


def _keep(unpacked: Path, folder: Path) -> None:
    try:
        unpacked.rename(folder)
    except OSError:
        if not (folder / "manifest.json").is_file():  # else somebody else was quicker
            raise


def _download(address: str, sha256: str, file: IO[bytes]) -> None:
    """Writes what is at an address, if it is what it should be."""
    shown, digest = _shown(address), hashlib.sha256()
    logger.warning("Fetching the bundle %s, once.", shown)
    try:
        with urlopen(_request(address), timeout=_SECONDS) as answer:
            expected = int(answer.headers.get("Content-Length") or -1)
            size = 0
            while block := answer.read(_BLOCK):
                digest.update(block)
                size += len(block)
                _write(file, block)
    except (HTTPError, URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        code = f"{error.code} " if isinstance(error, HTTPError) else ""
        raise BundleError(
            f"{shown} cannot be fetched: {code}{reason}.",
            fix="check the address, or fetch the file by other means and name it as file:///path#sha256=...",
        ) from error
    if 0 <= size < expected:
        raise BundleError(f"{shown} ended after {size} of {expected} bytes.", fix="try again")
    if digest.hexdigest() != sha256:
        raise BundleError(
            f"{shown} is another file: its SHA-256 is {digest.hexdigest()[:16]}...",
            expected=f"{sha256[:16]}..., as the address says",
            fix="ask whoever gave you the address; nothing of the file is kept",
        )


def _write(file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise SinkError(
            f"The bundle cannot be kept: {error.strerror or error}.", fix="free some space"
        ) from error


def _shown(address: str) -> str:
    """An address for messages: without credentials, and without a query, which may hold some."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _request(address: str) -> Request:
    """A request without what must not leave: the fragment, and credentials but as a header for that host."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    request = Request(
        urlunsplit((parts.scheme, host, parts.path, parts.query, "")),
        headers={"User-Agent": f"ermu/{__version__}"},
    )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
    return request


PLUGIN = Archives
