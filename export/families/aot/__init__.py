"""AOT: multi-head attention and a feed-forward a block."""

from __future__ import annotations

from ermu.export.families.aot.family import AotFamily

PLUGIN = AotFamily()
