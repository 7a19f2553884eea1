"""From a folder to a network in torch, or why it is none that can be exported."""

from __future__ import annotations

from typing import Any

from torch import nn

from ermu.errors import CheckpointError, DependencyError
from ermu.export.network.recognition import Differences
from ermu.export.transformers_video.folder import PublishedFolder

SAM2 = "sam2_video"
_PATCH = 16
_MEMORY_WIDTH = 64  # which transformers' memory attention has written into it
# Networks that somebody may well try, and what is said to them.
_OTHERS = {
    "sam2": "is the image network of SAM 2, which has no memory",
    "sam": "is SAM, an image network, which has no memory",
    "edgetam": "is the image network of EdgeTAM, which has no memory",
    "edgetam_video": "is EdgeTAM, which cannot be exported yet",
}
_SUPPORTED = f'model_type "{SAM2}": SAM 2 and 2.1 for video, such as facebook/sam2.1-hiera-tiny'


def load_model(folder: PublishedFolder) -> tuple[Any, tuple[str, ...]]:
    """The network, in evaluation mode and float32, and the folder's keys that it does not read.

    Raises:
        CheckpointError: it is another network, of a form that is not supported, or its weights do not fit.
        DependencyError: transformers 5 is not installed.
    """
    _check_kind(folder)
    try:
        from transformers import Sam2VideoConfig, Sam2VideoModel
    except ImportError as error:  # not there, or of a release that does not know the network
        raise DependencyError("transformers>=5,<6", f"Exporting {folder.path}", "sam2") from error
    try:
        config = Sam2VideoConfig.from_dict(folder.config)
    except Exception as error:  # whatever checks a config has
        raise _undescribed(folder, error) from error
    _check_form(folder, config)
    try:
        model = Sam2VideoModel(config).eval()
    except Exception as error:  # whatever a layer says of widths that do not go together
        raise _undescribed(folder, error) from error
    return model, _load_weights(folder, model)


def _check_kind(folder: PublishedFolder) -> None:
    kind = folder.model_type
    if kind == SAM2 and "quantization_config" not in folder.config:
        return
    said = _OTHERS.get(
        kind, f"is a network of model_type {kind!r}" if kind else "does not say its model_type"
    )
    if kind.startswith("sam3"):
        said = f"is SAM 3 (model_type {kind!r}), whose memory is another"
    if kind == SAM2:
        said = "holds quantised weights (quantization_config)"
    raise CheckpointError(f"{folder.path} {said}.", expected=_SUPPORTED)


def _check_form(folder: PublishedFolder, config: Any) -> None:
    """Refuses forms that no published network has and the graphs do not know."""
    side = config.image_size
    if not isinstance(side, int) or side % (2 * _PATCH):
        raise _unsupported(folder, "image_size", side, f"one multiple of {2 * _PATCH}, for square frames")
    tokens, vision = side // _PATCH, config.vision_config
    grids = [[4 * tokens] * 2, [2 * tokens] * 2, [tokens] * 2]
    for field, found, wanted in (
        ("prompt_encoder_config.image_size", config.prompt_encoder_config.image_size, side),
        ("prompt_encoder_config.patch_size", config.prompt_encoder_config.patch_size, _PATCH),
        ("vision_config.num_feature_levels", vision.num_feature_levels, 3),
        ("vision_config.backbone_feature_sizes", [list(x) for x in vision.backbone_feature_sizes], grids),
        ("memory_attention_rope_feat_sizes", list(config.memory_attention_rope_feat_sizes), grids[-1]),
        ("memory_encoder_output_channels", config.memory_encoder_output_channels, _MEMORY_WIDTH),
        ("multimask_output_for_tracking", config.multimask_output_for_tracking, True),
    ):
        if found != wanted:
            raise _unsupported(folder, field, found, str(wanted))
    if config.num_maskmem < 2:
        raise _unsupported(folder, "num_maskmem", config.num_maskmem, "at least 2")


def _unsupported(folder: PublishedFolder, field: str, found: object, wanted: str) -> CheckpointError:
    return CheckpointError(f"{folder.path / 'config.json'}: {field} is {found}.", expected=wanted)


def _undescribed(folder: PublishedFolder, error: Exception) -> CheckpointError:
    said = " ".join(str(error).split())[:200]
    return CheckpointError(
        f"{folder.path / 'config.json'} does not describe a network: {said}.", fix="download it again"
    )


def _load_weights(folder: PublishedFolder, model: nn.Module) -> tuple[str, ...]:
    weights = folder.weights()
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    shapes = {key: tuple(value.shape) for key, value in weights.items()}
    found = Differences(
        missing=tuple(key for key in wanted if key not in shapes),
        misshapen=tuple(
            f"{key} {shapes[key]} for {shape}"
            for key, shape in wanted.items()
            if key in shapes and shapes[key] != shape
        ),
        unknown=(),
    )
    if len(found):
        raise CheckpointError(
            f"The weights of {folder.path} do not fit its config.json; {found}.",
            fix="download the whole folder again: both files belong together",
        )
    model.load_state_dict({key: weights[key] for key in wanted})
    return tuple(key for key in weights if key not in wanted)
