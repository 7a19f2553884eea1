"""Peers come from their registry, and say what they lack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ermu.benchmarks.peer import PeerOptions, checkpoint_of
from ermu.errors import BenchmarkError, OptionError
from ermu.registries import PEERS
from ermu.runtime.bundle.bundle import Bundle


def test_every_peer_has_a_help() -> None:
    peers = dict(PEERS.items())
    assert {"torch-published", "torch-best", "torch-compile", "onnxruntime", "openvino"} <= set(peers)
    assert all(peer.help for peer in peers.values())


def test_an_unknown_peer_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(OptionError, match="torch-published"):
        PEERS.get("tensorflow")


def test_a_peer_in_torch_needs_the_checkpoint_of_the_bundle() -> None:
    pytest.importorskip("torch")
    demo = PeerOptions(Bundle.load("demo"), threads=1, memory=9)
    assert checkpoint_of(demo, "torch-published").is_file()
    other = Bundle(Path("elsewhere"), demo.bundle.manifest)
    with pytest.raises(BenchmarkError, match="--checkpoint"):
        checkpoint_of(replace(demo, bundle=other), "torch-published")
