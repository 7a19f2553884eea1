"""Says what is wrong with a fleet's file, what it takes, and what it opens to the network; starts nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ermu.errors import ErmuError, counted
from ermu.fleet.board import share_of
from ermu.fleet.cluster import fits, local_resources
from ermu.fleet.fleet import sessions_of
from ermu.fleet.worker.settings import Kind
from ermu.registries import POLICIES, SINKS
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import Manifest
from ermu.runtime.config.schema import LOCAL, NAME, Resources, StreamEntry, StreamsFile
from ermu.runtime.config.stream_choice import choice_of
from ermu.runtime.memory.options import MemoryOptions
from ermu.runtime.memory.sets.opening import check_memory_options
from ermu.runtime.sources.opening import source_kinds
from ermu.runtime.streams.network_prompter import check_takes_clicks
from ermu.runtime.streams.prompters import GRABCUT, check_prompter

_FETCHED = ("hf", "https", "http")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        text: What.
        wrong: Whether the fleet would not run with it.
        about: What it is about: a stream's name, or a part of the file.
    """

    text: str
    about: str
    wrong: bool = False


def check_fleet(file: StreamsFile, *, host: str, token: bool, cpus: int | None = None) -> list[Finding]:
    """Everything that can be known without starting anything.

    Args:
        file: As read.
        host: That the front would be bound to.
        token: Whether it would ask for one.
        cpus: Cores that a local Ray may give; None, this machine's.
    """
    entries = [file.resolved(entry) for entry in file.streams]
    found = [finding for entry in entries for finding in _of_stream(entry, file)]
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    found += [Finding("two streams have this name", name, wrong=True) for name in twice]
    found += [*_of_bundles(entries), *_of_sessions(file), *_of_resources(file, entries, cpus)]
    return [*found, *_of_network(file, host, token=token)]


def _of_stream(entry: StreamEntry, file: StreamsFile) -> Iterator[Finding]:
    def wrong(text: str) -> Finding:
        return Finding(text, entry.name, wrong=True)

    if not NAME.fullmatch(entry.name):
        yield wrong("a name has up to 32 letters, digits, - and _")
    if not any(kind.opens(entry.source) for kind in source_kinds()):
        yield wrong("there is no such source")
    for what in ("prompt", "session"):
        path = getattr(entry, what)
        if path is not None and not Path(path).is_file():
            yield wrong(f"its {what} {path} is not there")
        elif path is not None and file.fleet.address != LOCAL and not Path(path).is_absolute():
            yield wrong(f"its {what} {path} means another file on another node: write the whole path")
    if entry.policy is not None and not POLICIES.get(entry.policy).bounded:
        yield wrong(f"the policy {entry.policy} keeps every frame for ever")
    if not fits(share_of(entry), file.fleet.worker):
        yield wrong("it takes more cores or GPUs than fleet.worker has")
    try:
        Kind.of(entry)
        choice_of(entry)
        for sink in entry.sinks or ():
            SINKS.get(sink.partition("=")[0])
    except ErmuError as error:
        yield wrong(error.problem)


def _of_bundles(entries: list[StreamEntry]) -> Iterator[Finding]:
    for bundle in sorted({entry.bundle for entry in entries if entry.bundle is not None}):
        if urlsplit(bundle).scheme in _FETCHED:
            yield Finding("each node fetches it when it starts its first worker", bundle)
            continue
        precisions = {entry.precision or "auto" for entry in entries if entry.bundle == bundle}
        try:
            loaded = Bundle.load(bundle)
            for precision in precisions - {"auto"}:
                loaded.at_precision(precision)
        except ErmuError as error:
            yield Finding(error.problem, bundle, wrong=True)
            continue
        for entry in entries:
            if entry.bundle == bundle:
                yield from _of_memory(entry, loaded.manifest)
                yield from _of_prompter(entry, loaded.manifest)


def _of_memory(entry: StreamEntry, manifest: Manifest) -> Iterator[Finding]:
    usual = manifest.memory
    if entry.policy is None and not POLICIES.get(usual.policy).bounded:
        text = f"its bundle's policy {usual.policy} keeps every frame for ever: policy: ermu"
        yield Finding(text, entry.name, wrong=True)
    policy, capacity = entry.policy or usual.policy, entry.capacity or usual.capacity
    try:
        check_memory_options(manifest, MemoryOptions(policy, capacity, entry.gap or usual.gap))
    except ErmuError as error:
        yield Finding(f"{error.problem} Expected: {error.expected}", entry.name, wrong=True)


def _of_prompter(entry: StreamEntry, manifest: Manifest) -> Iterator[Finding]:
    try:
        check_prompter(manifest, entry.prompter)
        if entry.prompter not in (None, GRABCUT) and urlsplit(entry.prompter).scheme not in _FETCHED:
            check_takes_clicks(Bundle.load(entry.prompter).manifest)
    except ErmuError as error:
        yield Finding(f"its prompter: {error.problem}", entry.name, wrong=True)


def _of_sessions(file: StreamsFile) -> Iterator[Finding]:
    try:
        folder = sessions_of(file)
    except ErmuError as error:
        yield Finding(f"{error.problem} Expected: {error.expected}", "sessions", wrong=True)
        return
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        yield Finding(f"{folder} cannot be written", "sessions", wrong=True)
    elif file.fleet.address != LOCAL:
        yield Finding(f"{folder} has to be one disk that every node reaches", "sessions")


def _of_resources(file: StreamsFile, entries: list[StreamEntry], cpus: int | None) -> Iterator[Finding]:
    share, most = file.fleet.worker, file.fleet.most_workers
    if share.cpus + share.gpus <= 0:
        yield Finding("a worker needs cores or a GPU", "fleet.worker", wrong=True)
        return
    workers = _workers(entries, share)
    text = f"{counted(len(entries), 'stream')}: {counted(workers, 'worker')}, {_named(share, workers)}"
    yield Finding(text, "fleet")
    if most is not None and workers > most:
        yield Finding(f"most_workers is {most}", "fleet", wrong=True)
    if file.fleet.address == LOCAL:
        here = local_resources(cpus, gpus=share.gpus > 0)
        room = _room(share, here)
        if workers > room:
            yield Finding(
                f"this machine has {_named(here, gpus=share.gpus > 0)}, "
                f"room for {counted(room, 'worker')} of {_named(share)}: "
                f"{'nothing would run' if room == 0 else 'the other streams would wait for ever'}; "
                "make fleet.worker or fleet.stream smaller",
                "fleet",
                wrong=True,
            )


def _workers(entries: list[StreamEntry], share: Resources) -> int:
    """How many it takes: streams of one bundle, backend and precision share one while they fit."""
    wanted = dict[tuple[str | None, ...], list[StreamEntry]]()
    for entry in entries:
        wanted.setdefault((entry.bundle, entry.backend, entry.precision), []).append(entry)
    return sum(
        max(1, *(math.ceil(sum(getattr(share_of(each), kind) for each in group) / getattr(share, kind) - 1e-9)
                 for kind in ("cpus", "gpus") if getattr(share, kind) > 0))
        for group in wanted.values()
    )  # fmt: skip


def _room(share: Resources, here: Resources) -> int:
    """Workers that a machine has room for; a part of a GPU lies on one GPU."""
    room = math.inf if share.cpus <= 0 else here.cpus / share.cpus
    if share.gpus >= 1:
        room = min(room, here.gpus / share.gpus)
    elif share.gpus > 0:
        room = min(room, here.gpus * math.floor(1 / share.gpus + 1e-9))
    return math.floor(room + 1e-9)


def _named(share: Resources, times: int = 1, *, gpus: bool = False) -> str:
    cores = counted(times * share.cpus, "core")
    return f"{cores} and {counted(times * share.gpus, 'GPU')}" if share.gpus or gpus else cores


def _of_network(file: StreamsFile, host: str, *, token: bool) -> Iterator[Finding]:
    fleet, asked = file.fleet, "asks for a token" if token else "asks for no token: this machine alone"
    yield Finding(f"the page and the API are at {host}, which {asked}", "network")
    where = fleet.worker_host or ("127.0.0.1" if fleet.address == LOCAL else "its node's own address")
    yield Finding(
        f"each worker's server is at {where}, a port of its own; it asks for the front's token", "network"
    )
    if find_spec("ray") is None:
        yield Finding("Ray is not installed: pip install 'ermu[fleet]'", "network", wrong=True)
    mode = os.environ.get("RAY_AUTH_MODE", "token" if fleet.address == LOCAL else "")
    listens = "Ray listens on every address of its machines, whatever address it is told"
    if mode == "token":
        text = f"{listens}; it asks for a token (RAY_AUTH_MODE=token), and encrypts nothing"
    else:
        text = f"{listens}, and asks for nothing: whoever reaches a port runs code there; RAY_AUTH_MODE=token"
    yield Finding(f"{text}. Keep others off by a firewall, or a network of its own", "network")
