"""The fleet's own part of the API: streams added, moved and removed, and everything at a glance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ermu.errors import ErmuError, OptionError
from ermu.fleet.fleet import Fleet
from ermu.fleet.tracked import Standing, TrackedStream
from ermu.redaction import shown_address
from ermu.runtime.config.schema import StreamEntry
from ermu.runtime.serve.answers import no_stream, refusal
from ermu.runtime.serve.guard import ADMITTED
from ermu.runtime.serve.schemas import bounded_policies

_FILES = {"prompt", "prompter", "session", "sinks"}
Handler = Callable[["FleetApi", Request], Awaitable[Response]]


class Move(BaseModel):
    """Where a stream is to go on; without a worker, wherever is room."""

    model_config = ConfigDict(extra="forbid", strict=True)

    worker: str | None = None


def _answered(handler: Handler) -> Handler:
    @wraps(handler)
    async def answering(api: FleetApi, request: Request) -> Response:
        try:
            return await handler(api, request)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            text = f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}."
            return refusal(422, text, fix="see StreamEntry and Move in /openapi.json")
        except ErmuError as error:
            return refusal(409, error.problem, expected=error.expected, fix=error.fix)
        except TimeoutError:
            return refusal(503, "The fleet is busy placing streams.", fix="try again")

    return answering


class FleetApi:
    """Handlers over the whole fleet.

    Args:
        fleet: The fleet.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    @_answered
    async def list_streams(self, request: Request) -> Response:
        """Every stream, as `ermu serve` lists its own."""
        policies = [{"name": name, "help": text} for name, text in bounded_policies().items()]
        streams = [_info(stream) for stream in list(self._fleet.streams.values())]
        return JSONResponse({"streams": streams, "policies": policies})

    @_answered
    async def add(self, request: Request) -> Response:
        """Takes in a stream; the body is an entry of a streams file, as JSON."""
        entry = StreamEntry.model_validate_json(await request.body())
        _refuse_files(entry, {stream.entry.bundle for stream in self._fleet.streams.values()})
        stream = await run_in_threadpool(self._fleet.add, entry)
        return JSONResponse(stream.as_json(), 201)

    @_answered
    async def remove(self, request: Request) -> Response:
        """Stops a stream and forgets its session."""
        missing = self._missing(request)
        if missing is None:
            await run_in_threadpool(self._fleet.remove, request.path_params["stream"])
        return missing or Response(status_code=204)

    @_answered
    async def move(self, request: Request) -> Response:
        """Has a stream go on in another worker."""
        missing = self._missing(request)
        if missing is not None:
            return missing
        name = request.path_params["stream"]
        body = await request.body()
        wanted = Move.model_validate_json(body) if body else Move()
        await run_in_threadpool(self._fleet.move, name, wanted.worker)
        return JSONResponse(self._fleet.stream(name).as_json())

    @_answered
    async def status(self, request: Request) -> Response:
        """Workers and streams at a glance."""
        return JSONResponse(await run_in_threadpool(self._fleet.status))

    async def alive(self, request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """503 while a stream is in no worker, or not live in it; reasons are for those who are admitted."""
        told = [_readiness(stream) for stream in list(self._fleet.streams.values())]
        ready = all(each["ready"] for each in told)
        shown = told if request.scope[ADMITTED] else []
        return JSONResponse({"ready": ready, "streams": shown}, 200 if ready else 503)

    def _missing(self, request: Request) -> Response | None:
        names = self._fleet.streams
        if request.path_params["stream"] in names:
            return None
        return no_stream(names)


def _refuse_files(entry: StreamEntry, bundles: set[str | None]) -> None:
    """What names files is the operator's to say, in the file: whoever may ask may not write or read any."""
    named = sorted(_FILES & entry.model_fields_set)
    if named:
        raise OptionError(
            f"A stream that is added over HTTP has no {', '.join(named)} of its own.",
            fix="write the stream into the file, or draw on the page what to follow",
        )
    if entry.bundle not in {None, *bundles}:
        raise OptionError(
            f"The bundle '{entry.bundle}' is not one of this fleet's.",
            expected=f"one of {', '.join(sorted(filter(None, bundles)))}",
        )


def _readiness(stream: TrackedStream) -> dict[str, Any]:
    info = _info(stream)
    live = stream.standing is Standing.PLACED and info["state"] == "live"
    reasons = [] if live or info["paused"] else [info["error"] or info["state"]]
    return {"name": stream.entry.name, "ready": not reasons, "reasons": reasons}


def _info(stream: TrackedStream) -> dict[str, Any]:
    """A stream as its worker tells of it; while none has it, what is known without."""
    said: dict[str, Any] = stream.said["info"] if stream.said else {}
    if stream.standing is Standing.PLACED and said:
        return said
    entry, over = stream.entry, stream.standing is Standing.QUARANTINED
    known = {
        "name": entry.name, "source": shown_address(entry.source), "paused": False, "frame": -1,
        "width": 0, "height": 0, "backend": "onnxruntime", "precision": entry.precision or "fp32",
        "policy": entry.policy or "ermu", "capacity": entry.capacity or 0, "staleness_seconds": 0.0,
        "frames": 0, "dropped": 0, "reconnects": 0, "restarts": 0, "device_losses": [], "viewers": 0,
        "milliseconds": {}, "sinks": [],
    }  # fmt: skip
    now = {"state": "ended" if over else "connecting", "fps_in": 0.0, "fps_out": 0.0}
    return {**known, **said, **now, "error": stream.error}
