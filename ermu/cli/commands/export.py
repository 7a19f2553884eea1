"""`ermu export`: a checkpoint becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ermu.cli.options import listed
from ermu.cli.sizes import parse_size
from ermu.registries import POLICIES


def export(
    checkpoint: Annotated[
        Path,
        typer.Option(
            help="A .pth or .safetensors file of any network that is known; its keys say which. Or the "
            "folder of a SAM 2.1 or EdgeTAM of transformers."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The bundle folder to create.")],
    network: Annotated[
        str | None,
        typer.Option(
            help="What the checkpoint is said to be, such as r50_aotl (docs/networks.md); refused where its "
            "keys say otherwise."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Fix the network input, HxW, such as 353x641 (352x640 for Swin); default: any size."
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help=f"Eviction policy by default: {listed(POLICIES.names())}; left out, the published one."
        ),
    ] = None,
    capacity: Annotated[
        int | None,
        typer.Option(min=2, help="Memory frames held by default; left out, 9, or as published (SAM 2.1)."),
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames between two memory appends by default; left out, the published rule."
        ),
    ] = None,
    long_edge: Annotated[
        int | None, typer.Option(min=33, help="Scale larger frames down to it by default; left out, 1040.")
    ] = None,
    image_dtype: Annotated[
        str, typer.Option(help="float32: frames are resized exactly; uint8: rounded back to bytes.")
    ] = "float32",
    resampling: Annotated[
        str | None,
        typer.Option(
            help="How frames are resized: bicubic, as published, or antialiased, which suits networks "
            "that were trained on pictures without aliasing, and is published for SAM 2.1."
        ),
    ] = None,
    relevance_weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="ERMU's constant a, by which it weighs relevance; left out, that published for the family.",
        ),
    ] = None,
    opset: Annotated[int, typer.Option(min=18, max=21, help="ONNX opset.")] = 20,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing bundle.")] = False,
) -> None:
    """Export a checkpoint to a bundle: ONNX graphs, each checked against torch, and a manifest."""

    from ermu.cli.printing import WorkConsole, plain, progress
    from ermu.cli.result_folders import check_export
    from ermu.runtime.opencv import need_opencv

    hw = parse_size(size) if size else None
    need_opencv()
    check_export(checkpoint, out)
    console = WorkConsole()
    try:
        from ermu.export.bundle_writer import export_bundle
    except ModuleNotFoundError as error:
        from ermu.errors import DependencyError

        raise DependencyError(error.name or "torch", "Exporting a checkpoint", "export") from error
    with progress(console, "export") as show:
        bundle = export_bundle(
            checkpoint,
            out,
            network=network,
            size=hw,
            policy=policy,
            capacity=capacity,
            gap=gap,
            long_edge=long_edge,
            image_dtype=image_dtype,
            resampling=resampling,
            relevance_weight=relevance_weight,
            opset=opset,
            overwrite=overwrite,
            progress=show,
        )
    graphs = bundle.manifest.graphs
    worst = max(graphs, key=lambda name: graphs[name].max_difference)
    memory, ignored = bundle.manifest.memory, bundle.manifest.provenance.ignored_keys
    if ignored:
        plain(console, f"{len(ignored)} keys that no network reads were left out: {', '.join(ignored[:5])}")
    plain(
        console,
        f"{bundle.manifest.network.name} -> {out}: {len(graphs)} graphs, "
        f"largest difference to torch {graphs[worst].max_difference:.2g} ({worst}); "
        f"by default --policy {memory.policy} --capacity {memory.capacity} --gap {memory.gap}",
    )
