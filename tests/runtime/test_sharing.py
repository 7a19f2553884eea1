"""Which objects share a group: by hand, and that every id fits whatever comes before."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ermu.runtime.images.labels import GROUP_SIZE
from ermu.runtime.sharing import Standing, sharing


def single(began: int, *, whole: bool = True, is_open: bool = False) -> Standing:
    return Standing(1, 1, int(whole), began, is_open)


def full(began: int) -> Standing:
    return Standing(10, 10, 10, began)


def test_nobody_is_joined_while_there_is_room() -> None:
    assert sharing([single(t) for t in range(24)], 1, limit=25, alive=False) == []


def test_the_youngest_that_fill_a_group_are_joined_when_there_is_none() -> None:
    groups = [single(t) for t in (5, 90, 80, 70, 60, 50, 40, 30, 20, 10, 95)] + [full(99)] * 14
    assert sharing(groups, 1, limit=25, alive=False) == [10, 1, 2, 3, 4]  # the younger half of eleven
    assert sharing(groups, 6, limit=25, alive=False) == [10, 1, 2, 3]
    singles = [single(t) for t in range(25)]
    assert sharing(singles, 1, limit=25, alive=False) == [24, 23, 22, 21, 20, 19, 18, 17, 16]
    assert sharing(singles[:3], 1, limit=3, alive=False) == [2]


def test_who_is_out_of_sight_is_given_up_last() -> None:
    groups = [full(0)] * 23 + [single(9, whole=False), single(3)]
    assert sharing(groups, 1, limit=25, alive=False) == [24]
    assert sharing([single(t, whole=False) for t in range(9)], 1, limit=4, alive=False) == []
    nowhere = [full(0)] * 24 + [single(9, whole=False)]
    assert sharing(nowhere, 1, limit=25, alive=False) == []  # a 26th
    assert sharing([*nowhere, single(8, whole=False)], 1, limit=25, alive=False) == [24]


def test_what_is_added_on_one_frame_is_one_addition() -> None:
    groups = [full(0), single(7, is_open=True)]
    assert sharing(groups, 1, limit=25, alive=False) == [1]
    assert sharing([full(0), Standing(10, 10, 10, 7, True)], 1, limit=25, alive=False) == []


def test_identities_that_stay_alive_leave_no_26th_group() -> None:
    assert sharing([full(0)] * 25, 1, limit=25, alive=False) == []
    assert sharing([full(0)] * 25, 1, limit=25, alive=True) is None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    limit=st.integers(1, 25),
    steps=st.lists(
        st.tuples(st.integers(1, 12), st.booleans(), st.floats(0, 1), st.randoms(use_true_random=False)),
        min_size=20,
        max_size=80,
    ),
)
def test_all_254_ids_always_fit(limit: int, steps: list) -> None:
    """Additions of any size, objects out of sight and objects removed: no group is ever one too many."""
    groups: list[tuple[int, list[int | None]]] = []  # began, ids by channel
    free = list(range(1, 255))
    for frame, (count, same_frame, hidden, random) in enumerate(steps):
        for _, channels in groups:
            for k, object_id in enumerate(channels):
                if object_id and random.random() < 0.05:
                    channels[k] = None
                    free.append(object_id)
        groups = [group for group in groups if any(group[1])]
        new = [free.pop(0) for _ in range(min(count, len(free)))]
        if not new:
            continue
        seen = {i for _, channels in groups for i in channels if i and random.random() >= hidden}
        standing = []
        for began, channels in groups:
            ids = [i for i in channels if i]
            is_open = same_frame and began == frame - 1
            movable = [i for i in ids if is_open or i in seen]
            width = max(k for k, i in enumerate(channels, start=1) if i)
            standing.append(Standing(width, len(ids), len(movable), began, is_open))
        joined = sharing(standing, len(new), limit=limit, alive=False)
        assert joined is not None
        moved = [i for j in joined for i in groups[j][1] if i and (standing[j].open or i in seen)]
        lost = {i for j in joined for i in groups[j][1] if i} - set(moved)
        assert not any(standing[j].open for j in joined) or not lost & {
            i for j in joined if standing[j].open for i in groups[j][1] if i
        }
        free += sorted(lost)
        begun = [*moved, *new]
        kept = [group for j, group in enumerate(groups) if j not in joined]
        packed = [(frame, list(begun[i : i + GROUP_SIZE])) for i in range(0, len(begun), GROUP_SIZE)]
        groups = [*kept, *packed]
        widths = [max(k for k, i in enumerate(channels, start=1) if i) for _, channels in groups]
        assert len(groups) <= 25 or (len(groups) == 26 and min(widths) <= 5)
        if not hidden:
            objects = sum(1 for _, channels in groups for i in channels if i)
            assert len(groups) <= max(limit, -(-objects // GROUP_SIZE))
        assert not lost or len(standing) + -(-len(new) // GROUP_SIZE) > 25
