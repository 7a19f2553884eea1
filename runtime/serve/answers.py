"""Answers that say what is wrong, in one form everywhere: problem, expected, fix."""

from __future__ import annotations

from collections.abc import Mapping

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


async def not_served(request: Request, error: Exception) -> Response:
    """The answer to a path or a method that nothing serves."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, f"{error.detail}.", fix="see /openapi.json", headers=error.headers)
