"""The golden networks' synthetic checkpoints: `python -m tests.support.synthetic r50_aotl r50_aotl.pth`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.golden_data import GOLDEN, load_golden


def write_checkpoint(name: str, path: Path) -> None:
    """Writes the checkpoint that the golden results were made with, laid out as a published one."""
    import torch

    from tests.golden.synth import synth_state_dict

    manifest = json.loads((GOLDEN / f"manifest_{name}.json").read_text())
    weights = synth_state_dict(manifest, load_golden(name).seed)
    torch.save({"state_dict": {f"module.{k}": torch.from_numpy(v) for k, v in weights.items()}}, path)


if __name__ == "__main__":
    write_checkpoint(sys.argv[1], Path(sys.argv[2]))
