"""Debian roots that debootstrap makes, and commands in them: machines with nothing else on them.

Needs root, and network for apt and pip.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from filelock import FileLock

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_DEBIAN = "http://deb.debian.org/debian"
_TOOLS = ("chroot", "debootstrap", "ip", "unshare")
_OF_THE_INDEX = (
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
# $0 is the root, $1 the user, $2 the command, $3 what runs beside it, outside of the root, in a network of
# their own. Whatever is left when the command ends is killed: the numbering of processes is their own too.
_WITHIN = """
set -e
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev"
if [ -n "$3" ]; then ip link set lo up; sh -c "$3" & fi
exec chroot --userspec="$1:$1" "$0" /bin/sh -ec "$2"
"""


def needed() -> None:
    """Skips a test where no root can be made."""
    if os.geteuid() != 0:
        pytest.skip("roots are made by root")
    if any(shutil.which(tool) is None for tool in _TOOLS):
        pytest.skip("needs debootstrap, unshare and ip: apt-get install debootstrap util-linux iproute2")


def debian(release: str, roots: Path, name: str) -> Path:
    """A fresh copy of a Debian's smallest root, such as of `debian:trixie-slim`, at `roots / name`."""
    base = roots / f"base-{release}"
    roots.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{base}.lock"):
        if not (base / "etc" / "debian_version").exists():
            making = ["debootstrap", "--variant=minbase", release, str(base), _DEBIAN]
            subprocess.run(making, check=True, stdout=subprocess.DEVNULL)
    root = roots / name
    if root.exists():
        shutil.rmtree(root)
    subprocess.run(["cp", "-a", str(base), str(root)], check=True)
    return root


def inside(
    root: Path,
    command: str,
    *,
    environment: Mapping[str, str],
    folder: str = "/",
    user: str = "0",
    beside: str = "",
) -> subprocess.CompletedProcess[str]:
    """A shell's command in a root, with the host's indexes and certificates, which may know a proxy.

    Args:
        root: Of `debian`.
        command: What the shell is given.
        environment: All that the command sees beside it.
        folder: Where it starts.
        user: By number.
        beside: What the host's shell runs meanwhile, in a network of those two alone; empty: in the host's.
    """
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    certificates = root / "run" / "certificates.crt"
    shutil.copy(_CERTIFICATES, certificates)
    outer = {name: os.environ[name] for name in _OF_THE_INDEX if name in os.environ}
    inner = {"PATH": PATH, "HOME": "/root", "PIP_CERT": "/run/certificates.crt", **outer, **environment}
    apart = ["--mount", "--pid", "--fork", "--kill-child", *(["--net"] if beside else [])]
    started = f"cd {shlex.quote(folder)} && {command}"
    words = ["unshare", *apart, "sh", "-c", _WITHIN, str(root), user, started, beside]
    try:
        return subprocess.run(words, env=inner, capture_output=True, text=True, timeout=3600)
    finally:
        certificates.unlink()
