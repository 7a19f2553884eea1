"""DeAOT: gated propagation in two branches."""

from __future__ import annotations

from ermu.export.families.deaot.family import DeaotFamily

PLUGIN = DeaotFamily()
