"""What tells checkpoints apart."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ermu.errors import CheckpointError
from ermu.export.origins.content import content_of


def test_a_file_is_its_bytes(tmp_path):
    (tmp_path / "net.v2.pth").write_bytes(b"weights")
    assert content_of(tmp_path / "net.v2.pth") == ("net.v2", hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        content_of(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("facebook/sam2.1-hiera-tiny", "--local-dir sam2.1-hiera-tiny`, and give that folder"),
        ("none.pth", "give the path of a .pth file, or of a folder of transformers"),
        ("here/none.pth", "give the path of a .pth file, or of a folder of transformers"),
        ("here/config.json", "give its folder, here"),
    ],
)
def test_where_a_checkpoint_is_to_be_had(path, fix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    Path("here/config.json").write_text("{}")
    with pytest.raises(CheckpointError) as raised:
        content_of(Path(path))
    assert str(raised.value.fix).endswith(fix)


def test_a_folder_is_its_config_and_weights(tmp_path):
    folder = tmp_path / "sam2.1-hiera-tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    printed = subprocess.run(
        ["sha256sum", "config.json", "model.safetensors"], cwd=folder, capture_output=True, check=True
    ).stdout
    assert content_of(folder) == ("sam2.1-hiera-tiny", hashlib.sha256(printed).hexdigest())
    before = content_of(folder)
    (folder / "README.md").write_text("read by nobody")
    assert content_of(folder) == before
    (folder / "config.json").write_text(json.dumps({"num_maskmem": 5}))
    assert content_of(folder) != before
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from ermu.export.origins.content import content_of\n"
        f"content_of(Path({str(folder)!r}))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        content_of(folder)
