"""The API's description, `/openapi.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ermu.runtime.serve.schemas import schemas

_REFUSALS = {
    "400": "Not a well-formed request.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from another site.",
    "404": "There is no such stream or object.",
    "409": "The request is well-formed and does not fit the stream as it is now.",
    "413": "The body is too large.",
    "415": "The body is of another type than those listed.",
    "422": "The body does not have the shape described.",
    "429": "Too many requests; try again after `Retry-After` seconds.",
    "503": "The stream is too busy to answer, or has too many viewers.",
}


def openapi(streams: Sequence[str], version: str, *, calls: bool) -> dict[str, Any]:
    """OpenAPI 3.1 for the streams that this server has.

    Args:
        streams: Their names.
        version: Of the server.
        calls: Whether it can be called over WebRTC.
    """
    stream = _parameter("stream", {"type": "string", "enum": list(streams)})
    number = _parameter("id", {"type": "integer", "minimum": 1, "maximum": 254})
    hint = {"anyOf": [_ref("BoxHint"), _ref("PointsHint"), _ref("DetectedBoxes")]}
    png = {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}}
    told = "Follow objects: a box, points, detections, or a label map as PNG"
    added = _operation(told, "Added", status="201", body={**_json(hint), **png})
    correction = {"anyOf": [_ref("BoxCorrection"), _ref("PointsCorrection")]}
    frame = _parameter("frame", {"type": "integer", "minimum": 0, "maximum": 2**53}, place="query")
    refined = _operation("Correct an object: a box, points, or a mask as PNG (with `?frame=`)", "Corrected",
                         body={**_json(correction), **png}) | {"parameters": [frame]}  # fmt: skip
    control = {"anyOf": [_ref("Action"), _ref("PolicySwitch")]}
    objects = "/api/streams/{stream}/objects"
    paths: dict[str, Any] = {
        "/api/streams": {"get": _operation("Every stream", "Streams")},
        "/api/streams/{stream}": {"parameters": [stream], "get": _operation("A stream", "StreamInfo")},
        objects: {"parameters": [stream], "get": _operation("Its objects", "Objects"), "post": added},
        f"{objects}/{{id}}": {
            "parameters": [stream, number],
            "patch": _operation("Rename an object", "ObjectInfo", body=_json(_ref("Rename"))),
            "delete": _operation("Stop following an object", None, status="204"),
        },
        f"{objects}/{{id}}/refine": {"parameters": [stream, number], "post": refined},
        f"{objects}/{{id}}/undo": {
            "parameters": [stream, number],
            "post": _operation("Take an object's latest correction back", "Corrected"),
        },
        "/api/streams/{stream}/memory": {
            "parameters": [stream],
            "get": _operation("Memory frames held and evicted", "Memory"),
        },
        "/api/streams/{stream}/control": {
            "parameters": [stream],
            "post": _operation("Pause, resume, reset, or switch policy", "StreamInfo", body=_json(control)),
        },
    }
    binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    given = _operation("Its session, a file", None)
    given["responses"]["200"]["content"] = binary
    paths["/api/streams/{stream}/session"] = {
        "parameters": [stream],
        "get": given,
        "put": _operation("Go on from a session", "StreamInfo", body=binary),
    }
    if calls:
        call = _operation("See it over WebRTC", "CallAnswer", body=_json(_ref("Offer")))
        paths["/api/streams/{stream}/webrtc"] = {"parameters": [stream], "post": call}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ERMU live", "version": version},
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _parameter(name: str, schema: dict[str, Any], *, place: str = "path") -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _ref(model: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _operation(
    summary: str, answer: str | None, *, status: str = "200", body: dict[str, Any] | None = None
) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        success["content"] = _json(_ref(answer))
    refusals = {
        code: {"description": text, "content": _json(_ref("Problem"))} for code, text in _REFUSALS.items()
    }
    operation: dict[str, Any] = {"summary": summary, "responses": {status: success, **refusals}}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation
