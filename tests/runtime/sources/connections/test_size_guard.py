"""A change of size is believed after some frames."""

from __future__ import annotations

from ermu.runtime.sources.connections.size_guard import SizeGuard

SIZES = {"a": (4, 4), "b": (8, 8), "c": (6, 2)}


def passing(stream: str, period: float = 0.04) -> str:
    """What passes of a stream whose pictures are as large as their letters say; `-` is damaged."""
    guard = SizeGuard()
    return "".join(
        size
        for index, size in enumerate(stream)
        if guard.passes(SIZES.get(size, (8, 8)), 100 + period * index, whole=size != "-")
    )


def test_a_picture_that_differs_is_left_out() -> None:
    assert passing("aaaabaa-aa") == "aaaaaaaa"
    assert passing("aabbbbbbbbbacccca") == "aaaa"
    assert passing("aa" + 10 * "bc") == "aa"


def test_a_damaged_header_is_not_believed_for_as_long_as_it_holds() -> None:
    assert passing("aa" + 20 * "bbbbbbb-" + "aa") == "aaaa"


def test_a_size_that_stays_is_believed() -> None:
    assert passing("aaaa" + 25 * "b") == "aaaa" + 16 * "b"
    assert passing("aaaa" + 8 * "b", period=2.0) == "aaaa" + 6 * "b"
    assert passing("b") == "b"
