"""`ermu export`: a checkpoint becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ermu.cli.options import listed
from ermu.cli.sizes import parse_size
from ermu.registries import FAMILIES


def export(
    checkpoint: Annotated[Path, typer.Option(help="A .pth file of the aot_plus family.")],
    out: Annotated[Path, typer.Option(help="The bundle folder to create.")],
    network: Annotated[
        str | None,
        typer.Option(
            help=f"A network of the families {listed(FAMILIES.names())}, such as r50_aotl; "
            "not needed where the checkpoint says it."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Fix the network input, HxW, each 16k+1 (353x641); default: any size."),
    ] = None,
    capacity: Annotated[int, typer.Option(min=2, help="Memory frames held by default.")] = 9,
    gap: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames between two memory appends by default; left out, max(5, round(frames / 30))."
        ),
    ] = None,
    long_edge: Annotated[int, typer.Option(min=33, help="Scale larger frames down to it by default.")] = 1040,
    image_dtype: Annotated[
        str, typer.Option(help="float32: frames are resized exactly; uint8: rounded back to bytes.")
    ] = "float32",
    opset: Annotated[int, typer.Option(min=18, max=21, help="ONNX opset.")] = 20,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing bundle.")] = False,
) -> None:
    """Export a checkpoint to a bundle: ONNX graphs, each checked against torch, and a manifest."""
    from rich.console import Console
    from rich.progress import Progress

    from ermu.cli.printing import plain
    from ermu.cli.result_folders import check_export
    from ermu.runtime.opencv import need_opencv

    hw = parse_size(size) if size else None
    need_opencv()
    check_export(checkpoint, out)
    console = Console()
    try:
        from ermu.export.bundle_writer import export_bundle
    except ModuleNotFoundError as error:
        from ermu.errors import DependencyError

        raise DependencyError(error.name or "torch", "Exporting a checkpoint", "export") from error
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("export", total=None)
        bundle = export_bundle(
            checkpoint,
            out,
            network=network,
            size=hw,
            capacity=capacity,
            gap=gap,
            long_edge=long_edge,
            image_dtype=image_dtype,
            opset=opset,
            overwrite=overwrite,
            progress=lambda what, step, steps: bar.update(
                task, description=what, completed=step, total=steps
            ),
        )
    graphs = bundle.manifest.graphs
    worst = max(graphs, key=lambda name: graphs[name].max_difference)
    unknown = bundle.manifest.provenance.unknown_keys
    if unknown:
        plain(console, f"{len(unknown)} keys of the checkpoint are not the network's: {', '.join(unknown)}")
    plain(
        console,
        f"{bundle.manifest.network.name} -> {out}: {len(graphs)} graphs, "
        f"largest difference to torch {graphs[worst].max_difference:.2g} ({worst})",
    )
