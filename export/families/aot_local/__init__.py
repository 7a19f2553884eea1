"""AOT as in the aot-benchmark zoo: its short-term attention is local."""

from __future__ import annotations

from ermu.export.families.aot_local.family import AotLocalFamily

PLUGIN = AotLocalFamily()
