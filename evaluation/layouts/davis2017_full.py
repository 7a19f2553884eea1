"""DAVIS 2017 at full resolution: read, segmented and scored at the size of the camera."""

from __future__ import annotations

from ermu.evaluation.layouts.davis2017 import Davis2017


class Davis2017Full(Davis2017):
    """The full-resolution release."""

    help = "DAVIS 2017 at full resolution"
    resolution = "Full-Resolution"


PLUGIN = Davis2017Full
