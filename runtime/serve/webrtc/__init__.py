"""The view over WebRTC (extra `webrtc`): the page asks for it where the server has it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ermu.runtime.serve.api import Api

if TYPE_CHECKING:
    from ermu.runtime.serve.webrtc.calls import Calls


def opened_calls(api: Api) -> Calls | None:
    """Takes calls of an application's streams; None where aiortc is not installed."""
    if find_spec("aiortc") is None:
        return None
    from ermu.runtime.serve.webrtc.calls import Calls

    return Calls(api)
