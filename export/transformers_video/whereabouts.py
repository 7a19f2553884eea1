"""Whether a path leads to a checkpoint at all, and where one is to be had."""

from __future__ import annotations

from pathlib import Path

from ermu.errors import CheckpointError

CONFIG = "config.json"  # of a folder as transformers publishes a network
DOWNLOADED = "hf download facebook/sam2.1-hiera-tiny --local-dir sam2.1-hiera-tiny"


def check_is_there(checkpoint: Path) -> None:
    """Refuses a path at which no file is, and a file that is not a checkpoint but describes a folder of one.

    Raises:
        CheckpointError: either; says how to get or give a folder of transformers.
    """
    if checkpoint.name == CONFIG and checkpoint.is_file():
        raise CheckpointError(
            f"{checkpoint} describes a checkpoint, and is none.", fix=f"give its folder, {checkpoint.parent}"
        )
    if checkpoint.is_file():
        return
    on_hugging_face = len(checkpoint.parts) == 2 and not checkpoint.parent.exists()
    raise CheckpointError(
        f"There is no checkpoint at {checkpoint}.",
        fix=f"download it, `hf download {checkpoint} --local-dir {checkpoint.name}`, and give that folder"
        if on_hugging_face
        else "give the path of a .pth file, or of a folder of transformers",
    )
