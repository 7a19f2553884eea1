"""Which network a checkpoint is: its keys and shapes say it, a name given with it is checked against them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ermu.errors import CheckpointError
from ermu.export.checkpoint import Checkpoint
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.spec import NetworkSpec, network_spec, networks
from ermu.export.transformers_video.whereabouts import CONFIG, DOWNLOADED

# What published files carry and no network reads: counters of batch norms and of averaging, Swin's constant
# index tables, a token that AOT's zoo code declares and never uses.
HARMLESS = re.compile(
    r"(.*\.)?num_batches_tracked|n_averaged|encoder\..*\.relative_position_index|LSTT\.mask_token"
)
_SHOWN = 12
_META_SAM2 = "image_encoder.trunk."  # keys of the files that Meta publishes

logger = logging.getLogger("ermu.export")

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Differences:
    """How weights differ from a network's.

    Attributes:
        missing: Keys that only the network has.
        misshapen: Keys that both have, in different shapes, with both shapes.
        unknown: Keys that only the weights have, but for `HARMLESS` ones.
    """

    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    unknown: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.misshapen) + len(self.unknown)

    @property
    def first(self) -> str:
        """One of the keys, the most telling one."""
        return next(iter((*self.misshapen, *self.missing, *self.unknown)))

    def __str__(self) -> str:
        kinds = {"missing": self.missing, "misshapen": self.misshapen, "not the network's": self.unknown}
        return "; ".join(f"{kind}: {listed_keys(keys)}" for kind, keys in kinds.items() if keys)


def recognise(checkpoint: Checkpoint, name: str | None = None) -> NetworkSpec:
    """The network that a checkpoint is.

    A file that carries its description is what that says. Where networks share their weights, the one that
    writes its memory most often is taken, and the log names the others.

    Args:
        checkpoint: As it was loaded.
        name: What it is said to be.

    Raises:
        CheckpointError: it is no known network, or not the named one; the message has what differs.
        OptionError: no network has that name.
    """
    described = checkpoint.spec
    if described is not None and name in (None, described.name):
        return described
    if name is not None:
        spec = network_spec(name)
        check_weights(checkpoint, spec)
        return spec
    fitting = fitting_networks(checkpoint.weights)
    if not fitting:
        raise _unrecognised(checkpoint)
    taken, *others = fitting
    for other in others:
        logger.warning(
            "%s is %s, which appends every %d frames; %s has the same weights and %d: --network %s",
            checkpoint.path,
            taken.name,
            taken.gap,
            other.name,
            other.gap,
            other.name,
        )
    return taken


def check_weights(checkpoint: Checkpoint, spec: NetworkSpec) -> None:
    """Refuses weights that are not exactly a network's, `HARMLESS` keys aside.

    Raises:
        CheckpointError: a key is missing, has another shape, or is not the network's.
    """
    found = differences(checkpoint.weights, spec)
    if not len(found):
        return
    fitting = " or ".join(other.name for other in fitting_networks(checkpoint.weights))
    if fitting:
        raise CheckpointError(
            f"{checkpoint.path} is {fitting}: it does not fit the network {spec.name}, "
            f"{len(found)} of whose keys differ, {found.first} among them.",
            fix=f"--network {fitting}, or none: the checkpoint says itself what it is",
        )
    place = "" if checkpoint.place == "the top" else f" (weights under {checkpoint.place})"
    said = str(found)
    if len(found.missing) == len(_shapes(spec)):
        others = listed_keys(checkpoint.weights)
        said = f"it has none of its keys, but {len(checkpoint.weights)} others: {others}"
    raise CheckpointError(
        f"{checkpoint.path} does not fit the network {spec.name}{place}; {said}.",
        expected=f"every key of {spec.name} with its shape, and no other",
        fix=f"check that the file is one of: {', '.join(networks())}",
    )


def build_network(checkpoint: Checkpoint, spec: NetworkSpec) -> SegmentationNetwork:
    """The network in evaluation mode with the checkpoint's weights.

    Raises:
        CheckpointError: as `check_weights`, or a weight is not finite.
    """
    check_weights(checkpoint, spec)
    network = SegmentationNetwork(spec).eval().requires_grad_(False)
    expected = network.state_dict()
    _check_finite(checkpoint, expected)
    network.load_state_dict({key: checkpoint.weights[key].to(torch.float32) for key in expected})
    return network


def fitting_networks(weights: Mapping[str, Tensor]) -> list[NetworkSpec]:
    """The named networks whose weights these are, the one with the smallest gap first."""
    fitting = [spec for spec in networks().values() if not len(differences(weights, spec))]
    return sorted(fitting, key=lambda spec: spec.gap)


def differences(weights: Mapping[str, Tensor], spec: NetworkSpec) -> Differences:
    """How weights differ from a network's."""
    expected = _shapes(spec)
    return Differences(
        missing=tuple(key for key in expected if key not in weights),
        misshapen=tuple(
            f"{key} is {tuple(weights[key].shape)}, not {shape}"
            for key, shape in expected.items()
            if key in weights and tuple(weights[key].shape) != shape
        ),
        unknown=tuple(key for key in weights if key not in expected and not HARMLESS.fullmatch(key)),
    )


def ignored_keys(weights: Mapping[str, Tensor], spec: NetworkSpec) -> tuple[str, ...]:
    """The `HARMLESS` keys among weights that fit a network."""
    return tuple(key for key in weights if key not in _shapes(spec))


@cache
def _shapes(spec: NetworkSpec) -> Shapes:
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in SegmentationNetwork(spec).state_dict().items()}


def _check_finite(checkpoint: Checkpoint, expected: Mapping[str, Tensor]) -> None:
    broken = []
    for key in expected:
        weight = checkpoint.weights[key]
        count = int((~torch.isfinite(weight)).sum())
        if count:
            broken.append(f"{key} ({count} of {weight.numel()} values)")
    if broken:
        raise CheckpointError(
            f"{checkpoint.path} holds weights that are NaN or infinite: {', '.join(broken)}.",
            expected="finite numbers",
            fix="take a checkpoint from before its training diverged",
        )


def _unrecognised(checkpoint: Checkpoint) -> CheckpointError:
    found = {spec.name: differences(checkpoint.weights, spec) for spec in networks().values()}
    name, nearest = min(found.items(), key=lambda item: len(item[1]))
    said = f"{name} is the closest; {nearest}"
    if len(nearest.missing) == len(_shapes(network_spec(name))):
        said = f"it has {len(checkpoint.weights)} keys of others: {listed_keys(checkpoint.weights)}"
    return CheckpointError(
        f"{checkpoint.path} is no network that is known here: {said}.",
        expected="the weights of one of " + ", ".join(found) + ", or a folder of transformers",
        fix=_instead(checkpoint),
    )


def _instead(checkpoint: Checkpoint) -> str:
    """What to give in place of a file of weights that no network here has."""
    folder = checkpoint.path.parent
    if (folder / CONFIG).is_file():
        return f"give the folder that it lies in, {folder}"
    if any(key.startswith(_META_SAM2) for key in checkpoint.weights):
        return f"it looks like SAM 2 as Meta publishes it: take transformers' folder, `{DOWNLOADED}`"
    return "check that it is a whole checkpoint of one of them, and of nothing else"


def listed_keys(keys: Mapping[str, Tensor] | tuple[str, ...]) -> str:
    """Keys of a state dict for a message: the first of them, and how many more there are."""
    names = list(keys)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
