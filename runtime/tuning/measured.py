"""What was measured of a bundle on this machine: a time and an agreement for each backend and precision."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field

from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.parts import Part


class Timed(Part):
    """One backend at one precision.

    Attributes:
        backend: Its name.
        precision: Of the graphs, or bf16.
        graphs: Hex SHA-256 of what ran (`graphs_digest`).
        frame_ms: Median over gap cycles of a frame's milliseconds, the bank full.
        agreement: Share of pixels that are as in the bundle's own precision, each run on its own memory; the
            comparison that `ermu build` stored counts where it is lower.
    """

    backend: str
    precision: str
    graphs: str
    frame_ms: float = Field(gt=0, allow_inf_nan=False)
    agreement: float = Field(ge=0, le=1)


class Measured(Part):
    """All that was timed in one run, in turns.

    Attributes:
        fingerprint: Of the bundle.
        machine: Its kind: the processor's model and cores.
        device: `cpu`, or `cuda:0` and so on.
        threads: CPU threads of each graph and kernel.
        versions: Of the packages that a time depends on.
        clip: What was segmented.
        others_cores: Processors that other processes kept busy meanwhile; None where the system does not say.
        timed: What ran.
    """

    fingerprint: str
    machine: str
    device: str
    threads: int
    versions: dict[str, str]
    clip: str
    others_cores: float | None
    timed: tuple[Timed, ...]


def graphs_digest(bundle: Bundle) -> str:
    """Hex SHA-256 of what a bundle runs at its precision: graphs, weights, plans and engines.

    Args:
        bundle: At the precision.
    """
    manifest = bundle.manifest
    files = [*manifest.graphs.values(), *manifest.weights, *manifest.kernel_weights]
    engines = [engine for engine in manifest.engines if engine.precision == manifest.precision]
    known = {
        "precision": manifest.precision,
        "files": sorted({file.sha256 for file in files}),
        "plans": sorted(manifest.plans),
        "engines": sorted(engine.sha256 for engine in engines),
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
