"""Folders of transformers that cannot be exported, and what `ermu export` says of them."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import torch

from ermu import export_bundle
from ermu.errors import DependencyError, ErmuError

pytest.importorskip("transformers")
from safetensors.torch import load_file, save_file


@pytest.fixture
def folder(sam2_folder, tmp_path):
    """A copy of the small network's folder that a test may spoil."""
    return shutil.copytree(sam2_folder, tmp_path / "folder")


def refused(folder, tmp_path, **options):
    """The text of the error; nothing is left behind."""
    with pytest.raises(ErmuError) as raised:
        export_bundle(folder, tmp_path / "bundle", **options)
    assert not (tmp_path / "bundle").exists()
    return str(raised.value)


def change_config(folder, **fields):
    file = folder / "config.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in {**known, **fields}.items() if v is not None}))


SUPPORTED = (
    'Expected: model_type "sam2_video", SAM 2 and 2.1 for video, such as facebook/sam2.1-hiera-tiny, '
    'or "edgetam_video"'
)
INSTEAD = (
    "Fix: download a folder of those, such as "
    "`hf download facebook/sam2.1-hiera-tiny --local-dir sam2.1-hiera-tiny`"
)


@pytest.mark.parametrize(
    ("model_type", "said"),
    [
        ("sam2", "is the image network of SAM 2, which has no memory."),
        ("sam3_video", "is SAM 3 (model_type 'sam3_video'), whose memory is another."),
        ("sam3", "is SAM 3 (model_type 'sam3'), whose memory is another."),
        ("edgetam", "is the image network of EdgeTAM, which has no memory."),
        ("bert", "is a network of model_type 'bert'."),
        (None, "does not say its model_type."),
    ],
)
def test_other_networks(folder, tmp_path, model_type, said):
    change_config(folder, model_type=model_type)
    assert refused(folder, tmp_path) == f"{folder} {said}\n{SUPPORTED}\n{INSTEAD}"


def test_quantised_weights(folder, tmp_path):
    change_config(folder, quantization_config={"quant_method": "fp8"})
    assert refused(folder, tmp_path) == (
        f"{folder} holds quantised weights (quantization_config).\n"
        "Expected: float32, float16 or bfloat16 weights\n"
        "Fix: take the folder that was quantised; `ermu build --precision int8` makes int8 of its bundle"
    )


def test_no_config(folder, tmp_path):
    (folder / "config.json").unlink()
    assert refused(folder, tmp_path) == (
        f"{folder} has no config.json.\n"
        "Expected: a folder with config.json and model.safetensors, such as facebook/sam2.1-hiera-tiny, "
        "-small, -base-plus or -large\n"
        "Fix: download the whole folder, or give the path of a checkpoint's file"
    )


@pytest.mark.parametrize(("text", "said"), [("{", "cannot be read: "), ("[]", "holds a list.")])
def test_a_damaged_config(folder, tmp_path, text, said):
    (folder / "config.json").write_text(text)
    assert refused(folder, tmp_path).startswith(f"{folder / 'config.json'} {said}")


def test_no_weights(folder, tmp_path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert refused(folder, tmp_path) == (
        f"{folder} has no model.safetensors, only pytorch_model.bin.\n"
        "Expected: a folder with config.json and model.safetensors, such as facebook/sam2.1-hiera-tiny, "
        "-small, -base-plus or -large\n"
        "Fix: download the weights, too; for a gated repository its terms must be accepted first"
    )


def test_a_missing_part_of_the_weights(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    parts = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    assert refused(folder, tmp_path) == (
        f"{folder} lacks model-1.safetensors, model-2.safetensors, which model.safetensors.index.json "
        "lists.\n"
        "Fix: download the whole folder"
    )


def test_truncated_weights(folder, tmp_path):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    said = refused(folder, tmp_path)
    assert said.startswith(f"{file} cannot be read: ") and said.endswith("Fix: download it again")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_pointers_of_a_download_without_the_files(folder, tmp_path, name):
    digest = "0" * 64
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 155906688\n"
    (folder / name).write_text(pointer)
    assert refused(folder, tmp_path) == (
        f"{folder / name} is a pointer of Git LFS in place of the file.\nExpected: the file itself\n"
        "Fix: git lfs pull in that folder, or hf download; for a gated repository accept its terms first"
    )


def test_missing_weights_and_others_of_another_shape(folder, tmp_path):
    file = folder / "model.safetensors"
    weights = load_file(file)
    del weights["no_memory_embedding"]
    weights["mask_downsample.weight"] = torch.zeros(2, 1, 4, 4)
    save_file(weights, file)
    assert refused(folder, tmp_path) == (
        f"The weights of {folder} do not fit its config.json; missing: no_memory_embedding; "
        "misshapen: mask_downsample.weight (2, 1, 4, 4) for (1, 1, 4, 4).\n"
        "Fix: download the whole folder again: both files belong together"
    )


@pytest.mark.parametrize(("dtype", "name"), [(torch.int8, "I8"), (torch.float8_e4m3fn, "F8_E4M3")])
def test_weights_of_a_dtype_that_is_not_supported(folder, tmp_path, dtype, name):
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights["no_memory_embedding"] = weights["no_memory_embedding"].to(dtype)
    save_file(weights, file)
    assert refused(folder, tmp_path) == (
        f"{file}: no_memory_embedding has the dtype {name}.\nExpected: one of F32, F16, BF16\n"
        "Fix: export the weights as they were published, not a quantised copy"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"image_size": 100}, "image_size is 100.\nExpected: one multiple of 32, for square frames"),
        (
            {"image_size": [128, 256]},
            "image_size is [128, 256].\nExpected: one multiple of 32, for square frames",
        ),
        ({"memory_attention_rope_feat_sizes": [64, 64]}, "memory_attention_rope_feat_sizes is [64, 64]."),
        ({"num_maskmem": 0}, "num_maskmem is 0.\nExpected: at least 2"),
        ({"multimask_output_for_tracking": False}, "multimask_output_for_tracking is False.\nExpected: True"),
    ],
)
def test_forms_that_no_published_network_has(folder, tmp_path, fields, said):
    change_config(folder, **fields)
    assert refused(folder, tmp_path).startswith(f"{folder / 'config.json'}: {said}")


@pytest.mark.parametrize("fields", [{"num_maskmem": "seven"}, {"memory_attention_hidden_size": "wide"}])
def test_a_config_that_makes_no_sense(folder, tmp_path, fields):
    change_config(folder, **fields)
    said = refused(folder, tmp_path)
    assert said.startswith(f"{folder / 'config.json'} does not describe a network: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"network": "r50_aotl"},
            "A network is given for a folder of transformers: config.json says which network it is.\n"
            "Fix: leave the network out",
        ),
        (
            {"size": (353, 641)},
            "A size is given for a folder of transformers: config.json says it, frames are squeezed to that "
            "square.\nFix: leave the size out",
        ),
        (
            {"long_edge": 640},
            "A long edge is given for a folder of transformers: config.json says it, frames are squeezed to "
            "that square.\nFix: leave the long edge out",
        ),
        (
            {"relevance_weight": 0.1},
            "A relevance weight is given for a folder of transformers: its manifest has no constants of "
            "ERMU's.\nFix: leave the relevance weight out",
        ),
        (
            {"policy": "none"},
            "The policy 'none' is not for networks that follow every object by itself.\n"
            "Expected: fifo, ermu or rmem",
        ),
        ({"gap": 0}, "gap is 0.\nExpected: at least 1, a frame remembered in so many"),
        (
            {"capacity": 9},
            "capacity is 9, and the network tells 7 memory frames apart.\nExpected: 2 to 7",
        ),
        ({"image_dtype": "int8"}, "Unknown image dtype 'int8'.\nExpected: float32 or uint8"),
        ({"resampling": "nearest"}, "Unknown resampling 'nearest'.\nExpected: bicubic or antialiased"),
    ],
)
def test_options_that_do_not_apply(sam2_folder, tmp_path, options, said):
    assert refused(sam2_folder, tmp_path, **options) == said


def test_transformers_is_not_installed(sam2_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DependencyError) as raised:
        export_bundle(sam2_folder, tmp_path / "bundle")
    assert str(raised.value) == (
        f"Exporting {sam2_folder} needs the package 'transformers>=5,<6', which is not installed.\n"
        "Fix: pip install 'ermu[sam2]'"
    )


def test_half_precision_weights_are_read_and_unknown_keys_reported(folder):
    from ermu.export.origins.origin import ExportOptions
    from ermu.export.origins.transformers_folder import TransformersFolder

    file = folder / "model.safetensors"
    weights = load_file(file)
    whole = weights["no_memory_embedding"]
    halves = {k: v.half() if v.ndim > 1 else v.bfloat16() for k, v in weights.items()}
    counter = torch.zeros((), dtype=torch.int64)
    save_file({**halves, "stranger": torch.zeros(1), "bn.num_batches_tracked": counter}, file)
    read = TransformersFolder().read(folder, ExportOptions(image_dtype="uint8"))
    assert read._published.ignored == ("stranger",)
    got = read._model.no_memory_embedding
    assert got.dtype == torch.float32 and torch.equal(got, whole.half().float())
    assert read.graphs[0].inputs[0].dtype == "uint8"
