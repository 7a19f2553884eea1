"""Where a stream fits: with the most room, of its own kind, and apart from a suspect."""

from __future__ import annotations

from time import monotonic

from ermu.fleet.board import Board, Worker, share_of
from ermu.fleet.worker.settings import Kind
from ermu.runtime.config.schema import Resources, StreamEntry

DEMO = Kind("demo")


def entry(name: str, cpus: float = 0.5, **more: object) -> StreamEntry:
    return StreamEntry(name=name, source="x", bundle="demo", cpus=cpus, gpus=0.0, **more)


def board(*names: str, cpus: float = 1.0, kind: Kind = DEMO) -> Board:
    made = Board()
    for name in names:
        made.put(Worker(name, kind, Resources(cpus=cpus), None, "node", "http://w", 1))
    return made


def put(made: Board, worker: str, stream: StreamEntry) -> Worker:
    found = made.get(worker)
    assert found is not None
    found.streams[stream.name] = share_of(stream)
    return found


def test_the_emptiest_takes_it_until_all_are_full() -> None:
    made = board("w1", "w2")
    placed = []
    for number in range(5):
        worker = made.find(entry(f"s{number}"))
        placed.append(worker and worker.name)
        if worker is not None:
            put(made, worker.name, entry(f"s{number}"))
    assert sorted(placed[:2]) == sorted(placed[2:4]) == ["w1", "w2"]
    assert placed[4] is None
    assert made.holder("s0") is made.get(placed[0])


def test_fractions_add_up_without_rounding_someone_out() -> None:
    made = board("w1")
    for number in range(10):
        assert made.find(entry(f"s{number}", 0.1)) is not None, number
        put(made, "w1", entry(f"s{number}", 0.1))
    assert made.find(entry("more", 0.1)) is None


def test_another_bundle_backend_or_precision_is_another_worker() -> None:
    made = board("w1")
    assert made.find(entry("a")) is not None
    assert made.find(entry("a").model_copy(update={"bundle": "other"})) is None
    assert made.find(entry("a", backend="openvino")) is None
    assert made.find(entry("a", precision="bf16")) is None
    assert made.find(entry("a"), avoid="w1") is None


def test_a_suspect_waits_for_another_one_and_is_alone_where_it_must() -> None:
    made = board("w1", cpus=4.0)
    put(made, "w1", entry("a")).settling = ("a", monotonic() + 60)
    assert made.find(entry("b")) is not None
    assert made.find(entry("b"), suspect=True) is None
    assert made.find(entry("b"), alone=True) is None
    found = made.get("w1")
    assert found is not None and found.watched == "a"
    found.settling = ("a", monotonic() - 1)
    assert made.find(entry("b"), suspect=True) is found
    found.alone = True
    assert made.find(entry("b")) is None
