"""`ermu inspect`: what is in a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ermu.cli.options import BUNDLE_HELP
from ermu.errors import OptionError

if TYPE_CHECKING:
    from ermu.runtime.backends.base import Backend
    from ermu.runtime.bundle.bundle import Bundle
    from ermu.runtime.bundle.manifest import Manifest


def inspect(
    bundle: Annotated[str, typer.Argument(help=BUNDLE_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, the manifest included.")] = False,
) -> None:
    """Show a bundle's network, constants, graphs, tensors and provenance, and what runs it here."""
    from ermu.runtime.bundle.bundle import Bundle

    loaded = Bundle.load(bundle)
    if as_json:
        _print_json(loaded)
        return
    _print_tables(loaded)
    _print_backends(loaded)


def _print_json(loaded: Bundle) -> None:
    """The manifest as it is in the bundle, and for every backend and device what keeps it from running."""
    import json
    from dataclasses import asdict

    reasons = {
        f"{name} on {device}": [asdict(misfit) for misfit in backend.misfits(loaded, device)]
        for name, backend in _backends()
        if not isinstance(backend, OptionError)
        for device in backend.devices
    }
    manifest = json.loads(loaded.manifest.to_json())
    found = {"path": str(loaded.path), "precisions": loaded.precisions, "manifest": manifest}
    typer.echo(json.dumps({**found, "backends": reasons}, indent=1))


def _backends() -> Iterator[tuple[str, type[Backend] | OptionError]]:
    """Every backend by name; for one that does not load, what is wrong with the package that brings it."""
    from ermu.registries import BACKENDS

    for name in BACKENDS.names():
        try:
            yield name, BACKENDS.get(name)
        except OptionError as error:
            yield name, error


def _print_backends(loaded: Bundle) -> None:
    from rich.console import Console

    from ermu.cli.printing import plain, print_misfits

    console = Console()
    for name, backend in _backends():
        if isinstance(backend, OptionError):
            plain(console, f"not   {backend.problem}")
            continue
        for device in backend.devices:
            print_misfits(console, f"{name} on {device}", backend.misfits(loaded, device))
    for line in _chosen(loaded):
        plain(console, line)


def _chosen(loaded: Bundle) -> Iterator[str]:
    """What `auto` takes on the CPU, and whether times measured here or the static order decided."""
    from ermu.errors import BackendError
    from ermu.runtime.backends.choosing import AUTO, choose_backend, choose_precision, reasons_for

    for option, asked in (("--backend auto", None), ("--precision auto", AUTO)):
        try:
            precision = choose_precision(loaded, asked, "cpu")
            backend = choose_backend(loaded.at_precision(precision), AUTO, "cpu")
        except BackendError:  # the lines above say why
            return
        why = "; ".join(reasons_for(loaded, AUTO, asked, "cpu"))
        yield f"auto  {option}: {backend}, {precision} ({why})"


def _memory_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """What the two kinds of networks say differently of themselves and of their memories."""
    from ermu.runtime.bundle.group_manifest import GroupManifest
    from ermu.runtime.bundle.object_manifest import ObjectManifest

    network, bank = manifest.network, manifest.memory
    options = f"--policy {bank.policy} --capacity {bank.capacity} --gap {bank.gap}"
    if isinstance(manifest, ObjectManifest):
        pointers = f"a memory an object; up to {manifest.most_pointers} pointers"
        return [
            ("network", f"{network.name} ({network.family}, {network.encoder})"),
            ("memory", f"{options}; {pointers}"),
        ]
    assert isinstance(manifest, GroupManifest)
    named, score = manifest.network, manifest.score
    return [
        ("network", f"{named.name} ({named.family}, {named.encoder}, {named.blocks} blocks)"),
        (
            "memory",
            f"{options}; published: {named.policy}, {_published_gap(named.gap)}"
            + (" or a thirtieth of a file" if named.gap_grows else ""),
        ),
        (
            "score",
            f"{score.relevance_weight:g} r + 1 / (1 + exp({score.redundancy_slope:g} (red - "
            f"{score.redundancy_centre:g}))), momentum {score.momentum:g}, "
            f"its mean moves at every {score.update_mean_at}",
        ),
    ]


def _published_gap(gap: int) -> str:
    from ermu.runtime.bundle.parts import FIRST_FRAME_ALONE

    return "the first frame alone" if gap >= FIRST_FRAME_ALONE else f"one every {gap}"


def _print_tables(loaded: Bundle) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    manifest = loaded.manifest
    console = Console()
    facts = Table.grid(padding=(0, 2))
    network, source, frames = manifest.network, manifest.provenance, manifest.input
    size = "x".join(map(str, frames.size)) if frames.size else f"any {network.grid.form}"
    for name, value in (
        *_memory_facts(manifest),
        ("input", f"{size}, {frames.dtype}, {frames.resampling}, long edge {frames.long_edge}"),
        ("precisions", ", ".join(loaded.precisions)),
        ("weights", ", ".join(f"{f.file} {_megabytes(loaded.path / f.file)}" for f in manifest.weights)),
        *((f"plan {name}", ", ".join(plan.graphs)) for name, plan in manifest.plans.items()),
        ("checkpoint", f"{source.checkpoint}, sha256 {source.checkpoint_sha256[:16]}..."),
        ("made", f"{source.created} with {', '.join(f'{k} {v}' for k, v in source.tools.items())}"),
        ("licence", source.licence),
    ):
        facts.add_row(f"[bold]{name}", escape(str(value)))
    console.print(facts)
    for name, graph in manifest.graphs.items():
        plans = ", ".join(plan for plan, parts in manifest.plans.items() if name in parts.graphs)
        table = Table(title=f"{name}: {graph.file}, {plans}, to torch {graph.max_difference:.1e}")
        for column in ("", "tensor", "role", "dtype", "shape"):
            table.add_column(column)
        for way, tensors in (("in", graph.inputs), ("out", graph.outputs)):
            for tensor in tensors:
                shape = " x ".join(map(str, tensor.shape))
                table.add_row(way, escape(tensor.name), tensor.role.value, tensor.dtype, shape)
        console.print(table)


def _megabytes(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.1f} MB"
