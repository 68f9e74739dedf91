"""Request bodies: multipart or JSON with base64, into one schema."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app.api.access import caller_of
from app.api.problems import invalid
from app.api.schemas import MAX_IMAGES
from app.errors import RequestError, UnsupportedMediaType

B = TypeVar("B", bound=BaseModel)

PICTURES: Final = frozenset({"images", "image", "image_b"})
MAX_FIELD_BYTES: Final = 65_536
MAX_FIELDS: Final = 32


def form_or_json(schema: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A dependency that reads multipart (pictures as files) or JSON (pictures as base64)."""

    async def read(request: Request) -> B:
        kind = _content_type(request)
        if kind == "multipart/form-data":
            return _permitted(request, await _validated(schema, await _form(request)))
        return _permitted(request, await _json(schema, request, kind))

    return read


def json_only(schema: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A dependency that reads JSON."""

    async def read(request: Request) -> B:
        return _permitted(request, await _json(schema, request, _content_type(request)))

    return read


def _permitted(request: Request, body: B) -> B:
    """A body that names a collection names one that the key is for."""
    caller, collection = caller_of(request), getattr(body, "collection", None)
    if caller is not None and isinstance(collection, str):
        caller.require_collection(collection)
    return body


def documented(
    schema: type[BaseModel], multipart: bool = True, example: dict[str, Any] | None = None
) -> dict[str, Any]:
    """``openapi_extra`` of a route with such a body."""
    plain = schema.model_json_schema()
    content: dict[str, Any] = {"application/json": {"schema": plain}}
    if example is not None:
        content["application/json"]["example"] = example
    if multipart:
        content = {"multipart/form-data": {"schema": _as_form(plain)}, **content}
    return {"requestBody": {"required": True, "content": content}}


def _as_form(plain: dict[str, Any]) -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    properties = {}
    for name, field in plain["properties"].items():
        if name == "images":
            properties[name] = {**field, "items": file}
        elif name in PICTURES:
            properties[name] = file
        elif name in {"metadata", "fields"}:
            properties[name] = {"type": "string", "contentMediaType": "application/json"}
        else:
            properties[name] = field
    return {**plain, "properties": properties}


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _json(schema: type[B], request: Request, kind: str) -> B:
    if kind != "application/json":
        raise UnsupportedMediaType
    body = await request.body()

    def parsed() -> Any:
        try:
            return from_json(body)
        except ValueError as error:
            raise RequestError("The body is not JSON") from error

    return await _validated(schema, await run_in_threadpool(parsed))


async def _form(request: Request) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    form = request.form(max_files=MAX_IMAGES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    async with form as items:
        for name, item in items.multi_items():
            value = await _value(name, item)
            if name == "images":
                fields.setdefault(name, []).append(value)
            elif name in fields:
                raise RequestError(f"{name} was sent more than once")
            elif value != "":  # what a page leaves empty is left out
                fields[name] = value
    return fields


async def _value(name: str, item: UploadFile | str) -> bytes | str:
    if name in PICTURES:
        if isinstance(item, str):
            raise RequestError(f"{name} must be sent as a file")
        return await item.read()
    if isinstance(item, str):
        return item
    if (item.size or 0) > MAX_FIELD_BYTES:
        raise RequestError(f"{name} has more than {MAX_FIELD_BYTES} bytes")
    try:
        return (await item.read()).decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"{name} is not UTF-8") from error


async def _validated(schema: type[B], fields: Any) -> B:
    try:
        # In a thread: base64 of many megabytes would hold up the event loop.
        return await run_in_threadpool(schema.model_validate, fields)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False, include_context=False)) from None
