"""From a folder to a network in torch, or why it is none that can be exported."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from torch import nn

from ermu.errors import CheckpointError, DependencyError
from ermu.export.network.recognition import Differences
from ermu.export.transformers_video.folder import COUNTER, PublishedFolder
from ermu.export.transformers_video.whereabouts import DOWNLOADED

_PATCH = 16
_MEMORY_WIDTH = 64  # which transformers' memory attention has written into it


class _Kind(NamedTuple):
    """What transformers calls the classes of a network, and the extra that brings what they need."""

    config: str
    model: str
    extra: str


_KINDS = {
    "sam2_video": _Kind("Sam2VideoConfig", "Sam2VideoModel", "sam2"),
    "edgetam_video": _Kind("EdgeTamVideoConfig", "EdgeTamVideoModel", "edgetam"),
}
# Networks that somebody may well try, and what is said to them.
_OTHERS = {
    "sam2": "is the image network of SAM 2, which has no memory",
    "sam": "is SAM, an image network, which has no memory",
    "edgetam": "is the image network of EdgeTAM, which has no memory",
}
_INSTEAD = f"download a folder of those, such as `{DOWNLOADED}`"
_SUPPORTED = (
    'model_type "sam2_video", SAM 2 and 2.1 for video, such as facebook/sam2.1-hiera-tiny, or "edgetam_video"'
)


def load_model(folder: PublishedFolder) -> tuple[Any, tuple[str, ...]]:
    """The network, in evaluation mode and float32, and the folder's keys that it does not read.

    Raises:
        CheckpointError: it is another network, of a form that is not supported, or its weights do not fit.
        DependencyError: transformers 5 is not installed, or for EdgeTAM timm.
    """
    kind = _kind_of(folder)
    try:
        transformers = import_module("transformers")
        config_type, model_type = (getattr(transformers, name) for name in (kind.config, kind.model))
    except (
        ImportError,
        AttributeError,
    ) as error:  # not there, or of another release
        raise DependencyError("transformers>=5,<6", f"Exporting {folder.path}", kind.extra) from error
    try:
        config = config_type.from_dict(folder.config)
    except Exception as error:  # whatever checks a config has
        raise _undescribed(folder, error) from error
    _check_form(folder, config)
    try:
        model = model_type(config).eval()
    except ImportError as error:  # of the encoder's package
        raise DependencyError("timm", f"Exporting {folder.path}", kind.extra) from error
    except Exception as error:  # whatever a layer says of widths that do not go together
        raise _undescribed(folder, error) from error
    return model, _load_weights(folder, model)


def _kind_of(folder: PublishedFolder) -> _Kind:
    name = folder.model_type
    kind = _KINDS.get(name)
    if kind is not None and "quantization_config" not in folder.config:
        return kind
    said = _OTHERS.get(
        name, f"is a network of model_type {name!r}" if name else "does not say its model_type"
    )
    if name.startswith("sam3"):
        said = f"is SAM 3 (model_type {name!r}), whose memory is another"
    if kind is not None:
        raise CheckpointError(
            f"{folder.path} holds quantised weights (quantization_config).",
            expected="float32, float16 or bfloat16 weights",
            fix="take the folder that was quantised; `ermu build --precision int8` makes int8 of its bundle",
        )
    raise CheckpointError(f"{folder.path} {said}.", expected=_SUPPORTED, fix=_INSTEAD)


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
    parts = getattr(config, "perceiver_resampler_num_latents_2d", None)
    if parts is not None:
        _check_perceiver(folder, parts, list(config.memory_attention_rope_k_sizes), tokens)


def _check_perceiver(folder: PublishedFolder, parts: int, sides: list[int], tokens: int) -> None:
    """Refuses tokens of parts of a frame that are no square, or whose parts are not of one size."""
    if sides[0] != sides[1] or sides[0] ** 2 != parts or tokens % sides[0]:
        said = f"{parts} with memory_attention_rope_k_sizes {sides}"
        wanted = f"a square, the product of both, its side a divisor of {tokens}"
        raise _unsupported(folder, "perceiver_resampler_num_latents_2d", said, wanted)


def _unsupported(folder: PublishedFolder, field: str, found: object, wanted: str) -> CheckpointError:
    return CheckpointError(f"{folder.path / 'config.json'}: {field} is {found}.", expected=wanted)


def _undescribed(folder: PublishedFolder, error: Exception) -> CheckpointError:
    said = " ".join(str(error).split())[:200]
    return CheckpointError(
        f"{folder.path / 'config.json'} does not describe a network: {said}.", fix="download it again"
    )


def _load_weights(folder: PublishedFolder, model: nn.Module) -> tuple[str, ...]:
    weights = folder.weights()
    state = {key: value for key, value in model.state_dict().items() if not key.endswith(COUNTER)}
    wanted = {key: tuple(value.shape) for key, value in state.items()}
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
    model.load_state_dict({key: weights[key] for key in wanted}, strict=False)
    return tuple(key for key in weights if key not in wanted)
