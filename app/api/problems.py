"""Every refusal as problem+json (RFC 9457): one shape, stable codes, documented in OpenAPI."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from app.errors import (
    Forbidden,
    FrontalisError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    RequestError,
    Unauthorized,
)

MEDIA_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457. Further members depend on ``code``."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="Always about:blank: `code` tells problems apart.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="This occurrence, in words.")
    code: str = Field(description="The kind of problem, for programs. Stable.")
    request_id: str = Field(description="To be found in the log.")


def problem(request_id: str, error: FrontalisError) -> JSONResponse:
    """The answer to a refused or failed request."""
    body = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
        **error.extra,
    }
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Overloaded | RateLimited):
        headers["Retry-After"] = str(error.extra.get("retry_after", 1))
    return JSONResponse(body, error.status, headers, MEDIA_TYPE)


def invalid(errors: Sequence[Any]) -> RequestError:
    """Pydantic's findings without the input, which may hold pictures and names."""
    return RequestError(
        "; ".join(f"{_where(one)}: {one['msg']}" for one in errors[:5]) or "The request is not valid",
        errors=[{"field": _where(one), "message": one["msg"], "type": one["type"]} for one in errors[:20]],
    )


def install(app: FastAPI) -> None:
    """Answer every exception that handlers raise as a problem."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, FrontalisError)
        return problem(request.state.request_id, error)

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError | ValidationError)
        return problem(request.state.request_id, invalid(error.errors()))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem(request.state.request_id, NotFound("There is nothing at this address"))
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer = problem(request.state.request_id, MethodNotAllowed())
            answer.headers.update(error.headers or {})
            return answer
        # Starlette's own: a form that cannot be parsed.
        return problem(request.state.request_id, RequestError(str(error.detail)))

    app.add_exception_handler(FrontalisError, refused)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(ValidationError, not_valid)
    app.add_exception_handler(HTTPException, http)


def problems(*errors: type[FrontalisError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI ``responses`` of a route that may refuse with ``errors``, each with an example."""
    responses: dict[int | str, dict[str, Any]] = {}
    every: tuple[type[FrontalisError], ...] = (*errors, RequestError, Unauthorized, Forbidden, RateLimited)
    for error in every:
        content = responses.setdefault(
            error.status,
            {
                "description": HTTPStatus(error.status).phrase,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        content["content"][MEDIA_TYPE]["examples"][error.code] = {
            "value": {
                "type": "about:blank",
                "title": error.title,
                "status": error.status,
                "detail": error.title,
                "code": error.code,
                "request_id": "0199d7a4-8f3e-7c41-9d15-3a0f6f0e2b11",
            }
        }
    return responses


def _where(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"] if part != "body") or "body"
