"""Graphs and plans: tensors with roles that fit together, and parts that give what the whole gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from ermu.export.checkpoint import load_checkpoint
from ermu.export.family import Family
from ermu.export.graphs import build_graphs, build_plans
from ermu.export.network.network import SegmentationNetwork
from ermu.export.network.recognition import build_network
from ermu.export.network.spec import network_spec, networks
from ermu.kernels.numpy.attention import NumpyAttention
from ermu.registries import ENCODERS, FAMILIES
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import EXTERNAL_ATTENTION, WHOLE
from ermu.runtime.bundle.object_manifest import SIGNATURES
from ermu.runtime.bundle.parts import TensorInfo
from ermu.runtime.bundle.roles import Role
from ermu.runtime.bundle.sizes import ALIGNED, Grids, resolve
from tests.support.golden_data import EXPORTED, NETWORKS

SYMBOLS = {**Grids(81, 113, ALIGNED).symbols(), "G": 1, "T": 3}
BLOCK_ROLES = {
    Role.MEMORY,
    Role.PREVIOUS,
    Role.ENTRY,
    Role.CARRY,
    Role.QUERY,
    Role.BIAS,
    Role.MEMORY_READOUT,
    Role.LOCAL_READOUT,
}
KIND_ROLES = {Role.MEMORY, Role.PREVIOUS, Role.ENTRY}


class _Sessions:
    """A bundle's graphs in ONNX Runtime, tensors by name."""

    def __init__(self, at: Bundle) -> None:
        self.manifest = at.manifest
        self._sessions = {
            name: onnxruntime.InferenceSession(str(at.graph_path(name)), providers=["CPUExecutionProvider"])
            for name in at.manifest.graphs
        }

    def run(self, graph: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session, info = self._sessions[graph], self.manifest.graphs[graph]
        feeds = {i.name: tensors[i.name] for i in session.get_inputs()}
        names = [t.name for t in info.outputs]
        return dict(zip(names, session.run(names, feeds), strict=True))


def _random(
    infos: list[TensorInfo], seed: int = 0, symbols: dict[str, int] = SYMBOLS
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {t.name: rng.standard_normal(resolve(t.shape, symbols)).astype(t.dtype) for t in infos}


@pytest.fixture(scope="module")
def at(bundle):
    return lambda name: Bundle.load(bundle(name))


@pytest.mark.parametrize("name", EXPORTED)
def test_a_tensor_is_the_same_in_every_graph(name, at):
    """But that a graph which only `external_attention` has is of one group."""
    seen: dict[str, TensorInfo] = {}
    manifest = at(name).manifest
    for graph, info in manifest.graphs.items():
        for tensor in info.tensors:
            groups, *one = tensor.shape
            if graph not in manifest.plans[WHOLE].graphs:
                assert groups == 1, tensor.name
            alone = tensor.model_copy(update={"shape": (1, *one)})
            assert seen.setdefault(tensor.name, alone) == alone, tensor.name


@pytest.mark.parametrize("name", EXPORTED)
def test_every_group_is_as_it_is_alone(name, at):
    """In the graphs that several groups run through at once; what they share is not theirs."""
    loaded = at(name)
    sessions, manifest = _Sessions(loaded), loaded.manifest
    for graph in ("reference", "propagate", "decode", "memorize"):
        inputs = list(manifest.graphs[graph].inputs)
        tensors = _random(inputs, symbols={**SYMBOLS, "G": 3})
        together = sessions.run(graph, tensors)
        assert {t.shape[0] for t in manifest.graphs[graph].outputs} == {"G"}
        for g in range(3):
            own = {
                t.name: tensors[t.name][g : g + 1] if t.shape[0] == "G" else tensors[t.name] for t in inputs
            }
            for output, alone in sessions.run(graph, own).items():
                found = together[output][g : g + 1]
                np.testing.assert_allclose(found, alone, atol=1e-5 * max(1, np.abs(alone).max()))


@pytest.mark.parametrize("name", EXPORTED)
def test_tensors_say_what_their_role_has(name, at):
    for info in at(name).manifest.graphs.values():
        for tensor in info.tensors:
            assert (tensor.block is not None) == (tensor.role in BLOCK_ROLES), tensor.name
            assert (tensor.kind is not None) == (tensor.role in KIND_ROLES), tensor.name
            assert (tensor.source is not None) == (tensor.role in (Role.MEMORY, Role.PREVIOUS)), tensor.name


@pytest.mark.parametrize("name", EXPORTED)
def test_memories_have_their_entrys_shape_and_kind(name, at):
    manifest = at(name).manifest
    graphs = [manifest.graphs[graph] for graph in manifest.plans[WHOLE].graphs]
    tensors = {t.name: t for info in graphs for t in info.tensors}
    for tensor in tensors.values():
        if tensor.source:
            entry = tensors[tensor.source]
            assert entry.role is Role.ENTRY
            assert (tensor.block, tensor.kind) == (entry.block, entry.kind)
            assert tensor.shape == (
                ("G", "T", *entry.shape[1:]) if tensor.role is Role.MEMORY else entry.shape
            )


@pytest.mark.parametrize("name", EXPORTED)
def test_plans_make_all_that_they_read(name, at):
    """A frame of each plan: whatever a graph reads, another has made before, or the runtime holds it."""
    manifest = at(name).manifest
    held = {Role.INPUT, Role.MEMORY, Role.PREVIOUS, Role.MEMORY_READOUT, Role.LOCAL_READOUT}
    assert set(manifest.plans) == {WHOLE, EXTERNAL_ATTENTION}
    for plan in manifest.plans.values():
        made: set[str] = set()
        order = ["encode", *([plan.prefix] if plan.prefix else []), *plan.propagation, "decode", "memorize"]
        assert {*order, "reference"} == set(plan.graphs)
        for graph in order:
            reads = {t.name for t in manifest.graphs[graph].inputs if t.role not in held}
            assert reads <= made, graph
            made |= {t.name for t in manifest.graphs[graph].outputs}
        entries = {t.name for t in manifest.graphs["reference"].outputs if t.role is Role.ENTRY}
        assert entries <= made, "a propagated frame leaves behind what a labelled one does"


@pytest.mark.parametrize("name", EXPORTED)
def test_external_attention_does_not_depend_on_the_memory(name, at):
    manifest = at(name).manifest
    shapes = [
        tensor.shape
        for graph in manifest.plans[EXTERNAL_ATTENTION].graphs
        for tensor in manifest.graphs[graph].tensors
    ]
    assert not [shape for shape in shapes if "T" in shape]


@pytest.mark.parametrize("name", EXPORTED)
def test_parts_and_attention_give_what_the_whole_gives(name, at):
    loaded = at(name)
    sessions, manifest = _Sessions(loaded), loaded.manifest
    tensors = _random(list(manifest.graphs["propagate"].inputs))
    whole = sessions.run("propagate", tensors)
    plan, found = manifest.plans[EXTERNAL_ATTENTION], dict(tensors)
    if plan.prefix:
        found |= sessions.run(plan.prefix, found)
    for block, graph in enumerate(plan.propagation):
        found |= sessions.run(graph, found)
        if block < manifest.network.blocks:
            _attend(found, block, manifest.network.heads)
    for output in whole:
        scale = max(1.0, float(np.abs(whole[output]).max()))
        np.testing.assert_allclose(found[output], whole[output], atol=2e-4 * scale, err_msg=output)


@pytest.mark.parametrize(("name", "key_width"), [("zoo_aots", 64), ("zoo_deaots", 32)])
@torch.no_grad()
def test_every_group_is_as_it_is_alone_in_the_zoo(name, key_width):
    """In torch, on small networks."""
    torch.manual_seed(4)
    widths = {"width": 64, "key_width": key_width, "feedforward": 128, "decoder_width": 64}
    heads = 2 if key_width == 64 else 1
    network = SegmentationNetwork(network_spec(name, heads=heads, **widths)).eval()
    for graph in build_graphs(network):
        tensors = _random(list(graph.inputs), symbols={**SYMBOLS, "G": 3})
        given = {each: torch.from_numpy(values) for each, values in tensors.items()}
        if not any(t.shape[0] == "G" for t in graph.inputs):
            continue
        together = _as_tuple(graph.module(*given.values()))
        for g in range(3):
            own = [given[t.name][g : g + 1] if t.shape[0] == "G" else given[t.name] for t in graph.inputs]
            for ours, theirs in zip(together, _as_tuple(graph.module(*own)), strict=True):
                torch.testing.assert_close(ours[g : g + 1], theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "key_width"), [("zoo_aots", 64), ("zoo_deaots", 32)])
@torch.no_grad()
def test_parts_of_two_blocks_on_a_grid_wider_than_a_window(name, key_width):
    """In torch, on small networks of the zoo, which have no temporal rows."""
    heads = 2 if key_width == 64 else 1
    torch.manual_seed(3)
    network = SegmentationNetwork(
        network_spec(name, width=64, heads=heads, key_width=key_width, feedforward=128, decoder_width=64)
    ).eval()
    for parameter in network.LSTT.parameters():
        parameter.normal_(std=0.2)
    graphs = {graph.name: graph for graph in build_graphs(network)}
    symbols = {**Grids(97, 305, ALIGNED).symbols(), "G": 1, "T": 2}
    tensors = _random(list(graphs["propagate"].inputs), symbols=symbols)

    def run(graph: str, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = graphs[graph].module(*(torch.from_numpy(given[t.name]) for t in graphs[graph].inputs))
        return {t.name: o.numpy() for t, o in zip(graphs[graph].outputs, _as_tuple(outputs), strict=True)}

    whole, plan, found = run("propagate", tensors), build_plans(network)[EXTERNAL_ATTENTION], dict(tensors)
    values = FAMILIES.get(network.spec.family).relative_values(network)
    found["rows"] = np.zeros((1, 2, key_width), np.float32)
    if plan.prefix:
        found |= run(plan.prefix, found)
    for block, graph in enumerate(plan.propagation):
        found |= run(graph, found)
        if block < 2:
            relative = values[block].contiguous().numpy() if values else None
            _attend(found, block, heads, relative)
    for output in whole:
        np.testing.assert_allclose(found[output], whole[output], atol=1e-4, err_msg=output)


def _as_tuple(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else outputs


def _attend(
    tensors: dict[str, np.ndarray], block: int, heads: int, relative: np.ndarray | None = None
) -> None:
    """What the runtime does between two graphs, by the numpy kernels."""
    attention = NumpyAttention()
    keys, values = tensors[f"key{block}"][0], tensors[f"value{block}"][0]
    (slots, h, w, width), value_width, n = keys.shape, values.shape[-1], keys.shape[1] * keys.shape[2]
    cache = attention.cache(slots, n, heads, width, value_width, precision="fp32")
    for slot in range(slots):
        cache.write(slot, keys[slot].reshape(n, -1), values[slot].reshape(n, -1))
    out = np.empty((n, value_width), np.float32)
    cache.read(tensors[f"query{block}"].reshape(n, -1), tensors["rows"][0], out)
    tensors[f"memory_readout{block}"] = out.reshape(1, h, w, -1)
    if f"local_bias{block}" in tensors:
        local = np.empty((n, value_width), np.float32)
        names = (f"new_key{block}", f"previous_key{block}", f"previous_value{block}")
        bias = np.ascontiguousarray(tensors[f"local_bias{block}"].reshape(-1, n, 225))
        memory = (np.ascontiguousarray(tensors[name].reshape(n, -1)) for name in names)
        attention.window(*memory, bias, (h, w), local, relative)
        tensors[f"local_readout{block}"] = local.reshape(1, h, w, -1)


@pytest.mark.parametrize("name", ["aott", "r50_deaotl"])
@torch.no_grad()
def test_labels_enter_as_identity_tokens(name, at, synthetic_checkpoint):
    """`reference` and `memorize`, fed the bank's convolution, give the network's entries."""
    network = build_network(load_checkpoint(synthetic_checkpoint(name)), network_spec(name))
    sessions = _Sessions(at(name))
    rng = np.random.default_rng(1)
    label = torch.from_numpy(rng.integers(0, 5, (SYMBOLS["H"], SYMBOLS["W"])))
    one_hot = functional.one_hot(label, 12).permute(2, 0, 1)[None].float()
    identity = network.patch_wise_id_bank(one_hot).permute(0, 2, 3, 1).contiguous().numpy()
    feeds = _random(list(sessions.manifest.graphs["propagate"].inputs), seed=2)
    p = torch.from_numpy(feeds["p"])
    z, entry = network.reference(p, network.embed_identity(one_hot))
    family: Family = FAMILIES.get(network.spec.family)
    found = sessions.run("reference", {"p": feeds["p"], "identity": identity})
    np.testing.assert_allclose(found.pop("z"), z.numpy(), atol=1e-3)
    for ours, theirs in zip(found.values(), family.entry_tensors(entry), strict=True):
        np.testing.assert_allclose(ours.reshape(theirs[0].shape), theirs[0].numpy(), atol=1e-3)
    propagated = sessions.run("propagate", feeds)
    rest = sessions.run("memorize", {**propagated, "identity": identity})
    _, carry = network.propagate(p, *_memories(network, feeds))
    remembered = family.entry_tensors(network.memorize(carry, network.embed_identity(one_hot)))
    infos = [info for i in range(network.spec.blocks) for info in family.entries(network.spec, i)]
    for info, theirs in zip(infos, remembered, strict=True):
        ours = {**propagated, **rest}[info.name]
        np.testing.assert_allclose(ours.reshape(theirs[0].shape), theirs[0].numpy(), atol=1e-3)


def _memories(network: SegmentationNetwork, feeds: dict[str, np.ndarray]):
    def tokens(name: str) -> torch.Tensor:
        return torch.from_numpy(feeds[name]).flatten(-3, -2)

    blocks = range(network.spec.blocks)
    long = [(tokens(f"key{i}"), tokens(f"value{i}")) for i in blocks]
    short = [(tokens(f"previous_key{i}"), tokens(f"previous_value{i}")) for i in blocks]
    return long, torch.from_numpy(feeds["rows"]), short


def test_only_aot_has_a_block_0_prefix(at):
    assert at("aott").manifest.plans[EXTERNAL_ATTENTION].prefix == "block0_prefix"
    assert at("r50_deaotl").manifest.plans[EXTERNAL_ATTENTION].prefix is None


def test_every_role_that_is_a_group_s_is_used(at):
    roles = {t.role for info in at("r50_deaotl").manifest.graphs.values() for t in info.tensors}
    objects = {role for read, made in SIGNATURES.values() for role in (*read, *made)}
    assert roles | objects == set(Role) and roles & objects == {Role.INPUT}


def test_deaots_previous_frame_is_the_banks_entry(at):
    sources = {
        name: {t.name: t.source for t in at(name).manifest.graphs["propagate"].inputs if t.source}
        for name in ("aott", "r50_deaotl")
    }
    assert sources["r50_deaotl"]["previous_key0"] == sources["r50_deaotl"]["key0"] == "new_key0"
    assert sources["aott"]["previous_key0"] == "new_previous_key0" != sources["aott"]["key0"]


def test_families_state_their_constants():
    at = {name: family.score.update_mean_at for name, family in FAMILIES.items()}
    assert at == {"aot": "eviction", "aot-local": "eviction", "deaot": "append"}
    assert set(networks()) >= set(NETWORKS)


def test_nothing_outside_a_family_knows_its_name():
    root = Path(__file__).parents[2] / "export"
    files = (file for file in root.rglob("*.py") if "families" not in file.parts)
    named = [file.name for file in files if '"aot"' in file.read_text() or '"deaot"' in file.read_text()]
    assert not named


@pytest.mark.parametrize("encoder", ENCODERS.names())
def test_encoders_give_maps_at_the_promised_strides(encoder):
    made = ENCODERS.get(encoder)().eval()
    corners = encoder != "swinb"  # whose grids have their borders on the image's
    with torch.no_grad():
        maps = made(torch.zeros(1, 3, 64 + corners, 96 + corners))
    assert tuple(m.shape[1] for m in maps) == made.channels
    strides = (4, 8, 16, 16)
    assert [tuple(m.shape[2:]) for m in maps] == [(64 // s + corners, 96 // s + corners) for s in strides]


def test_graphs_of_a_plan_are_the_graphs_built():
    spec = network_spec("deaott", width=64, key_width=32, feedforward=64, decoder_width=64)
    network = SegmentationNetwork(spec).eval()
    graphs, plans = {graph.name for graph in build_graphs(network)}, build_plans(network)
    assert graphs == {name for plan in plans.values() for name in plan.graphs}
