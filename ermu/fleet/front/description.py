"""The front's `/openapi.json`: that of `ermu serve`, and what only a fleet can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ermu.fleet.front.api import Move
from ermu.runtime.config.schema import StreamEntry
from ermu.runtime.serve.openapi import openapi
from ermu.version import __version__

_ONE = "/api/streams/{stream}"
_REF = "#/components/schemas/{model}"


def described(streams: Sequence[str], root: str | None) -> dict[str, Any]:
    """OpenAPI 3.1 for the streams that the fleet has now.

    Args:
        streams: Their names.
        root: The path below which a proxy shows the front.
    """
    document = openapi(streams, __version__, calls=False)
    paths, models = document["paths"], document["components"]["schemas"]
    models["StreamEntry"] = StreamEntry.model_json_schema(ref_template=_REF)
    models["Move"] = Move.model_json_schema(ref_template=_REF)
    paths["/api/streams"]["post"] = _operation("Add a stream, as an entry of the file", "201", "StreamEntry")
    paths[_ONE]["delete"] = _operation("Stop a stream and forget its session", "204")
    parameters = paths[_ONE]["parameters"]
    move = _operation("Have a stream go on in another worker", "200", "Move")
    paths[f"{_ONE}/move"] = {"parameters": parameters, "post": move}
    paths["/api/fleet"] = {"get": _operation("Workers and streams at a glance", "200")}
    return {**document, "servers": [{"url": root}]} if root else document


def _operation(summary: str, status: str, body: str | None = None) -> dict[str, Any]:
    refused = {"$ref": "#/components/schemas/Problem"}
    refusals = {
        code: {"description": text, "content": {"application/json": {"schema": refused}}}
        for code, text in {
            "404": "There is no such stream.",
            "409": "The fleet is full, or cannot do that now.",
            "422": "The body does not have the shape described.",
            "503": "The fleet is busy placing streams.",
        }.items()
    }
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {status: {"description": "Done."}, **refusals},
    }
    if body is not None:
        schema = {"$ref": f"#/components/schemas/{body}"}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation
