"""SAM 2.1 in transformers, compiled."""

from __future__ import annotations

from ermu.benchmarks.peers.sam2_transformers import Sam2Transformers


class Sam2Compile(Sam2Transformers):
    """See `Sam2Transformers`."""

    help = "sam2-transformers through torch.compile with static shapes, once its memory is full"
    compiled = True


PLUGIN = Sam2Compile()
