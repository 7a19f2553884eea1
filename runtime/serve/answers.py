"""Answers that say what is wrong, in one form everywhere: problem, expected, fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


def refusal(
    status: int,
    text: str,
    *,
    expected: str | None = None,
    fix: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """What cannot be done, why, and how it can."""
    return JSONResponse({"problem": text, "expected": expected, "fix": fix}, status, headers=headers)


def no_stream(names: Iterable[str]) -> JSONResponse:
    """The answer to the name of a stream that is none of these."""
    known = ", ".join(names)
    return refusal(
        404, "There is no such stream.", expected=f"one of {known}" if known else "none is there",
        fix="GET /api/streams lists them",
    )  # fmt: skip


async def not_served(request: Request, error: Exception) -> Response:
    """The answer to a path or a method that nothing serves."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, f"{error.detail}.", fix="see /openapi.json", headers=error.headers)
