"""Video models of transformers, with the weights of a folder or with random ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ermu.benchmarks.systems.sam import Loaded
from ermu.errors import BenchmarkError

_SEED = 2026


@dataclass(frozen=True)
class VideoModel:
    """A kind of video model that transformers has.

    Attributes:
        family: Of networks of that kind.
        network: What random weights are drawn for.
        kind: `model_type` of its config.json, and its module.
        prefix: Of its classes.
        config: The published configuration.
    """

    family: str
    network: str
    kind: str
    prefix: str
    config: Callable[[], Any]

    def load(self, folder: Path | None) -> Loaded:
        """The model of a folder, as `save_pretrained` writes one, or with random weights.

        Raises:
            BenchmarkError: transformers cannot load it here, or the folder holds another thing.
        """
        module = self._imported()
        model_type = getattr(module, f"{self.prefix}Model")
        session = getattr(module, f"{self.prefix}InferenceSession")
        if folder is not None:
            model = self._of_folder(model_type, folder)
            return Loaded(model, session, f"{self.family} of {folder.name}", True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            model = model_type(self.config())
        return Loaded(model, session, self.network, False)

    def _imported(self) -> Any:
        try:
            return import_module(f"transformers.models.{self.kind}.modeling_{self.kind}")
        except (ImportError, RuntimeError) as error:  # torchvision's operators are missing: RuntimeError
            raise _unfit(self.network, error) from error

    def _of_folder(self, model_type: Any, folder: Path) -> Any:
        described = folder / "config.json"
        expected = f"a folder of transformers: config.json of the type {self.kind}, and safetensors"
        if not described.is_file():
            raise BenchmarkError(
                f"{folder} has no config.json.",
                expected=expected,
                fix="download the whole folder, or name none for random weights",
            )
        try:
            found = json.loads(described.read_text("utf-8")).get("model_type")
        except (OSError, ValueError, AttributeError) as error:
            raise BenchmarkError(f"{described} cannot be read: {error}.", expected=expected) from error
        if found != self.kind:
            raise BenchmarkError(f"{described} describes the type '{found}'.", expected=expected)
        import_module("transformers").logging.disable_progress_bar()
        try:
            model, report = model_type.from_pretrained(
                folder, local_files_only=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BenchmarkError(f"{folder} cannot be loaded: {error}", expected=expected) from error
        if report["missing_keys"]:
            missing = sorted(report["missing_keys"])
            raise BenchmarkError(
                f"{folder} lacks {len(missing)} weights, {missing[0]} for one.", expected=expected
            )
        return model


def _unfit(network: str, error: BaseException) -> BenchmarkError:
    """What an import failed for: the first cause, which transformers hides behind others."""
    first = error
    while first.__cause__ or first.__context__:
        first = first.__cause__ or first.__context__  # type: ignore[assignment]
    return BenchmarkError(
        f"transformers cannot load {network} here: {type(first).__name__}: {first}.",
        expected="release 5.24 or later and, where torchvision is installed, its build for this torch",
        fix="pip install --upgrade 'transformers>=5.24'; where torch is the CPU's, "
        "pip install torchvision --index-url https://download.pytorch.org/whl/cpu",
    )


def _sam2_config() -> Any:
    """SAM 2.1 hiera-tiny's, which transformers' defaults are."""
    from transformers import Sam2VideoConfig

    return Sam2VideoConfig()


def _edgetam_config() -> Any:
    """EdgeTAM's: a RepViT-M1 of timm, pointers without times, no embedding of occlusion."""
    from transformers import EdgeTamVideoConfig, EdgeTamVisionConfig, TimmWrapperConfig

    arguments = {"in_chans": 3, "features_only": True, "out_indices": (0, 1, 2, 3)}
    backbone = TimmWrapperConfig(architecture="repvit_m1", model_args=arguments)
    return EdgeTamVideoConfig(
        vision_config=EdgeTamVisionConfig(backbone_config=backbone),
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
    )


SAM2 = VideoModel("SAM 2", "SAM 2.1 hiera-tiny", "sam2_video", "Sam2Video", _sam2_config)
EDGETAM = VideoModel("EdgeTAM", "EdgeTAM", "edgetam_video", "EdgeTamVideo", _edgetam_config)
