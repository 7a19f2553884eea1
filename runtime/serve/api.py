"""The JSON API's handlers: each finds its stream, checks its body and asks the pipeline."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import wraps
from typing import TypeVar

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ermu.errors import ErmuError
from ermu.runtime.detections import Detection
from ermu.runtime.images.label_values import label_of
from ermu.runtime.images.prompter import Box, Point
from ermu.runtime.memory.sets.opening import policies_for
from ermu.runtime.serve.answers import no_stream, refusal
from ermu.runtime.serve.bodies import Bodies, BodyError
from ermu.runtime.serve.schemas import (
    Action,
    BoxCorrection,
    BoxHint,
    DetectedBoxes,
    FrameNumber,
    PointsCorrection,
    PointsHint,
    PolicySwitch,
    Rename,
    bounded_policies,
)
from ermu.runtime.serve.streams import ServedStream
from ermu.runtime.sources.reader import StreamState
from ermu.types import LabelMap

Handler = Callable[["Api", Request], Awaitable[Response]]
B = TypeVar("B", bound=BaseModel)

_HINT: Bodies[BoxHint | PointsHint | DetectedBoxes] = Bodies(BoxHint, PointsHint, DetectedBoxes)
_CORRECTION: Bodies[BoxCorrection | PointsCorrection] = Bodies(BoxCorrection, PointsCorrection)
_FRAME: TypeAdapter[int] = TypeAdapter(FrameNumber)
_CONTROL: Bodies[Action | PolicySwitch] = Bodies(Action, PolicySwitch)
_RENAME: Bodies[Rename] = Bodies(Rename)


class RefusedError(Exception):
    """A request that cannot be served, with the answer that says so."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer

    @classmethod
    def saying(cls, status: int, problem: str, *, expected: str | None = None, fix: str) -> RefusedError:
        """One with the answer that `refusal` makes of it."""
        return cls(refusal(status, problem, expected=expected, fix=fix))


def answered(handler: Handler) -> Handler:
    """Turns what a handler raises into the answer that says so."""

    @wraps(handler)
    async def answering(api: Api, request: Request) -> Response:
        try:
            return await handler(api, request)
        except RefusedError as refused:
            return refused.answer
        except ErmuError as error:
            return refusal(409, error.problem, expected=error.expected, fix=error.fix)
        except (TimeoutError, FutureTimeoutError):
            return refusal(503, "The stream is too busy.", fix="try again")
        except ClientDisconnect:
            return Response(status_code=400)

    return answering


class Api:
    """Handlers over the streams that this server has.

    Args:
        streams: By name.
    """

    def __init__(self, streams: Mapping[str, ServedStream]) -> None:
        self._streams = streams

    def stream(self, request: Request) -> ServedStream:
        """The stream that the address names.

        Raises:
            RefusedError: there is none.
        """
        name = request.path_params["stream"]
        if name not in self._streams:
            raise RefusedError(no_stream(self._streams))
        return self._streams[name]

    @answered
    async def list_streams(self, request: Request) -> Response:
        streams = [stream.info() for stream in self._streams.values()]
        policies = [{"name": name, "help": text} for name, text in bounded_policies().items()]
        return JSONResponse({"streams": streams, "policies": policies})

    @answered
    async def show_stream(self, request: Request) -> Response:
        return JSONResponse(self.stream(request).info())

    @answered
    async def list_objects(self, request: Request) -> Response:
        return JSONResponse({"objects": await run_in_threadpool(self.stream(request).objects)})

    @answered
    async def add_objects(self, request: Request) -> Response:
        stream, kind = self.stream(request), _media_type(request)
        _refuse_ended(stream)
        if kind == "image/png":
            label = _label_map(await request.body(), stream)
            ids = await run_in_threadpool(stream.pipeline.add_objects, label)
        else:
            hint = await body_of(request, _HINT)
            if isinstance(hint, DetectedBoxes):
                return await _add_detections(stream, hint)
            shape = _drawn(hint)
            ids = await run_in_threadpool(
                stream.pipeline.add_objects, shape, name=hint.name, frame=hint.frame
            )
        await show_latest(stream)
        return JSONResponse({"ids": ids}, 201)

    @answered
    async def refine_object(self, request: Request) -> Response:
        (stream, object_id), kind = self._object(request), _media_type(request)
        _refuse_ended(stream)
        refine = stream.pipeline.refine_object
        if kind == "image/png":
            label, frame = _label_map(await request.body(), stream), _frame_number(request)
            await run_in_threadpool(refine, object_id, label, frame=frame)
        else:
            hint = await body_of(request, _CORRECTION)
            await run_in_threadpool(refine, object_id, _drawn(hint), frame=hint.frame)
        await show_latest(stream)
        return await _shown(stream, object_id, noting=True)

    @answered
    async def undo(self, request: Request) -> Response:
        stream, object_id = self._object(request)
        await run_in_threadpool(stream.pipeline.undo, object_id)
        await show_latest(stream)
        return await _shown(stream, object_id, noting=True)

    @answered
    async def rename_object(self, request: Request) -> Response:
        stream, object_id = self._object(request)
        body = await body_of(request, _RENAME)
        await run_in_threadpool(stream.pipeline.rename_object, object_id, body.name)
        return await _shown(stream, object_id)

    @answered
    async def remove_object(self, request: Request) -> Response:
        stream, object_id = self._object(request)
        await run_in_threadpool(stream.pipeline.remove_objects, [object_id])
        await show_latest(stream)
        return Response(status_code=204)

    @answered
    async def show_memory(self, request: Request) -> Response:
        return JSONResponse(self.stream(request).memory())

    @answered
    async def control(self, request: Request) -> Response:
        stream, body = self.stream(request), await body_of(request, _CONTROL)
        pipeline = stream.pipeline
        if isinstance(body, PolicySwitch):
            _check_offered(body.policy, stream)
            await run_in_threadpool(pipeline.switch_policy, body.policy)
        else:
            await run_in_threadpool(getattr(pipeline, body.action))
        return JSONResponse(stream.info())

    def _object(self, request: Request) -> tuple[ServedStream, int]:
        stream, object_id = self.stream(request), request.path_params["id"]
        if object_id not in stream.pipeline.objects.ids:
            known = stream.pipeline.objects.ids
            raise RefusedError.saying(
                404, "There is no such object.", expected=f"one of {known}" if known else "none is followed",
                fix=f"GET /api/streams/{stream.pipeline.name}/objects lists them",
            )  # fmt: skip
        return stream, object_id


def _check_offered(policy: str, stream: ServedStream) -> None:
    """Refuses a policy that no stream is given, with those that serve this one's network."""
    if policy in bounded_policies():
        return
    known = policies_for(stream.pipeline.segmenter.bundle.manifest)
    offered = [name for name in bounded_policies() if name in known]
    raise RefusedError.saying(
        422, f"policy is none of {', '.join(offered)}.",
        expected="one under which memory stops growing, since a stream has no end",
        fix=f'send {{"action": "policy", "policy": "{offered[0]}"}}, say',
    )  # fmt: skip


async def _add_detections(stream: ServedStream, given: DetectedBoxes) -> Response:
    before = set(stream.pipeline.objects.ids)
    followed = await run_in_threadpool(
        stream.pipeline.add_detections,
        [Detection(Box(*each.box), each.name) for each in given.detections],
        mode=given.mode,
        every=given.every,
        overlap=given.overlap,
        frame=given.frame,
    )
    if followed is None:
        nothing = [None] * len(given.detections)
        return JSONResponse({"ids": [], "followed": nothing, "taken": False}, 201)
    await show_latest(stream)
    ids = sorted({i for i in followed if i is not None} - before)
    return JSONResponse({"ids": ids, "followed": followed, "taken": True}, 201)


def _refuse_ended(stream: ServedStream) -> None:
    """Nothing new is followed in a stream that has no next frame."""
    pipeline = stream.pipeline
    if pipeline.state is StreamState.ENDED:
        why, failed = pipeline.trouble, pipeline.error or pipeline.reader.last_error
        fix = (failed and failed.fix) or "start the server anew to play it again, with --loop for ever"
        raise RefusedError.saying(
            409, f"The stream {pipeline.name} has ended{f': {why}' if why else ''}.",
            expected="a stream whose next frame comes", fix=fix,
        )  # fmt: skip


async def show_latest(stream: ServedStream) -> None:
    """Draws the latest frame anew: a stream that stands still shows at once what has changed."""
    latest = stream.pipeline.latest
    if latest is not None:
        await run_in_threadpool(stream.broadcast.write, latest.frame, latest.result)


async def _shown(stream: ServedStream, object_id: int, *, noting: bool = False) -> Response:
    """The answer that shows an object; with `noting`, it says so where that is nowhere to be seen."""
    objects = await run_in_threadpool(stream.objects)
    found = [shown for shown in objects if shown["id"] == object_id]
    if not found:
        raise RefusedError.saying(404, "The object was removed meanwhile.", fix="add it anew")
    latest = stream.pipeline.latest
    if noting and latest is not None and found[0]["box"] is None:
        note = f"It is remembered so, and not found on the latest frame, {latest.result.frame}."
        return JSONResponse({**found[0], "note": note})
    return JSONResponse(found[0])


def _drawn(hint: BoxHint | PointsHint | BoxCorrection | PointsCorrection) -> Box | list[Point]:
    if isinstance(hint, (BoxHint, BoxCorrection)):
        return Box(*hint.box)
    return [Point(point.x, point.y, point.positive) for point in hint.points]


def _frame_number(request: Request) -> int | None:
    """The query's `frame`, which a PNG has no place for."""
    given = request.query_params.get("frame")
    try:
        return None if given is None else _FRAME.validate_strings(given)
    except ValidationError as error:
        raise RefusedError.saying(
            422, "frame is not a frame's number.", expected="0 or more",
            fix="give the X-Ermu-Frame of frame.jpg, or leave it out for the latest",
        ) from error  # fmt: skip


def media_type(request: Request) -> str:
    """The type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unknown_type(*known: str) -> RefusedError:
    """The error of a body that is of none of these types."""
    return RefusedError.saying(
        415, "The body's type is not known.", expected=" or ".join(known),
        fix=f"send it with Content-Type: {known[0]}",
    )  # fmt: skip


def _media_type(request: Request) -> str:
    kind = media_type(request)
    if kind not in ("application/json", "image/png"):
        raise unknown_type("application/json", "image/png")
    return kind


async def body_of(request: Request, bodies: Bodies[B]) -> B:
    """A request's JSON body; raises `RefusedError` where it has not the shape asked for."""
    if _media_type(request) != "application/json":
        raise unknown_type("application/json")
    try:
        return bodies.read(await request.body())
    except BodyError as error:
        raise RefusedError.saying(
            error.status, error.problem, expected=error.expected, fix=error.fix
        ) from error


def _label_map(png: bytes, stream: ServedStream) -> LabelMap:
    """A label map from an uploaded PNG; its size is compared before anything is unpacked."""
    latest = stream.pipeline.latest
    size = latest.frame.shape[1::-1] if latest else None
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if size is not None and image.size != size:
                raise RefusedError.saying(
                    409, f"The label map is {image.size[0]}x{image.size[1]}.",
                    expected=f"the stream's size, {size[0]}x{size[1]}",
                    fix="draw it on frame.jpg, or scale it without interpolation",
                )  # fmt: skip
            return label_of(image, "The PNG")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise RefusedError.saying(
            409, "The body is not a PNG that can be read.", expected="a label map as PNG",
            fix="write it with Pillow or OpenCV, 8 bits a pixel, and send the file's bytes",
        ) from error  # fmt: skip
