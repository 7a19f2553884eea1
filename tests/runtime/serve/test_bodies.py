"""Bodies that fit none of the forms taken: what they are compared with, in their writer's words."""

from __future__ import annotations

import json
import re

import pytest

from ermu.runtime.serve.bodies import Bodies, BodyError
from ermu.runtime.serve.schemas import Action, BoxHint, PointsHint, PolicySwitch

HINT: Bodies[BoxHint | PointsHint] = Bodies(BoxHint, PointsHint)
CONTROL: Bodies[Action | PolicySwitch] = Bodies(Action, PolicySwitch)
BOX = "a body with box, and with name or frame if you like"
POINTS = "a body with points, and with name or frame if you like"


def refusal(bodies: Bodies[object], body: bytes) -> BodyError:  # type: ignore[type-var]
    with pytest.raises(BodyError) as raised:
        bodies.read(body)
    assert not re.search("Hint|Switch|Action|Body[A-Z]", f"{raised.value.problem} {raised.value.expected}")
    return raised.value


def test_each_form_is_read() -> None:
    assert HINT.read(b'{"box": [1, 2, 3, 4.5]}') == BoxHint(box=[1.0, 2.0, 3.0, 4.5])
    points = HINT.read(b'{"points": [{"x": 1, "y": 2}], "name": "a"}')
    assert isinstance(points, PointsHint) and points.points[0].positive and points.name == "a"
    assert CONTROL.read(b'{"action": "policy", "policy": "fifo"}') == PolicySwitch(
        action="policy", policy="fifo"
    )


@pytest.mark.parametrize(
    ("body", "where", "expected"),
    [
        (b'{"box": [1, 2, 3]}', "box is too short: 3 of at least 4.", BOX),
        (b'{"box": [1, "2", 3, 4]}', "box.1 is no number.", BOX),
        (b'{"box": [1, 2, 3, 4], "admin": 1}', "admin is not known here.", BOX),
        (b'{"points": [{"x": 1}]}', "points.0.y is missing.", POINTS),
        (b'{"points": [{"x": 1, "y": 2}], "name": " "}', "name: An object cannot be called ' '", POINTS),
        (b'{"name": "a"}', "The body has none of box, points.", f"{BOX}; or {POINTS}"),
        (b'{"box": [1, 2, 3, 4], "points": []}', "points is not known here.", BOX),
        (
            b'{"box": [1, 2, 3, 4], "points": [{"x": 1, "y": 2}], "name": "a"}',
            "box and points do not go together: send one of them.",
            f"{BOX}; or {POINTS}",
        ),
        (b"[]", "The body is no JSON object.", f"{BOX}; or {POINTS}"),
    ],
)
def test_a_hint_is_told_what_it_looks_like(body: bytes, where: str, expected: str) -> None:
    refused = refusal(HINT, body)
    assert refused.status == 422 and where in refused.problem and refused.expected == expected
    sent = json.loads(refused.fix.removeprefix("send ").removesuffix(", say"))
    assert HINT.read(json.dumps(sent).encode())  # what is advised is taken


def test_so_is_a_control() -> None:
    refused = refusal(CONTROL, b'{"action": "policy"}')
    assert refused.problem == "policy is missing."
    assert refused.expected == "a body with action ('policy') and policy"
    refused = refusal(CONTROL, b'{"action": "fly"}')
    assert refused.problem == "action is none of 'pause', 'resume', 'reset', 'policy'."


@pytest.mark.parametrize("body", [b"", b"{", b'{"box": [1, 2, 3, 4]', b"\xff", b'{"name": "\\ud800"}'])
def test_what_is_no_json_is_400(body: bytes) -> None:
    assert refusal(HINT, body).status == 400
