"""Which key may do what: one rule a route, and the one place that asks for the key.

A new route needs a line in ``RULES`` and nothing else, unless its collection is neither in the query (``InCollection``)
nor in the body under ``collection`` (checked when the body is read): then call
``running.parts.caller.require_collection``. Keys come in headers alone: addresses end up in logs and histories.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from app.api.limiter import limits_of
from app.api.schemas import Id
from app.errors import ConfigurationError, Forbidden, ForeignOrigin, Unauthorized
from app.service import keys
from app.service.callers import ENVIRONMENT, LOCAL, SCOPES, Caller, Scope
from app.settings import Settings, is_loopback
from app.store.database import Database


@dataclass(frozen=True, slots=True)
class Rule:
    """Scopes of which one is needed (``admin`` always does).

    ``everywhere``: it reaches beyond one collection, so a key for some collections is not enough.
    """

    scopes: frozenset[Scope]
    everywhere: bool = False


def _for(*scopes: Scope) -> Rule:
    return Rule(frozenset({*scopes, "admin"}))


OPEN: Final = Rule(frozenset())
_ANY: Final = Rule(frozenset(SCOPES))
_HOUSE: Final = Rule(frozenset({"admin"}), everywhere=True)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "health": OPEN,
        "ready": OPEN,
        "metrics": _HOUSE,
        "show_health": _HOUSE,
        "enroll": _for("enroll"),
        "identify": _for("identify"),
        "verify": _for("identify"),
        "analyze": _for("identify", "enroll", "kiosk"),
        "list_subjects": _for("enroll"),
        "show_subject": _for("enroll"),
        "change_subject": _for("enroll"),
        "delete_subject": _for("enroll"),
        "show_template": _for("enroll"),
        "delete_template": _for("enroll"),
        "list_collections": _for("enroll", "identify", "visits"),
        "show_collection": _for("enroll", "identify", "visits"),
        "whoami": _ANY,
        "create_key": _HOUSE,
        "list_keys": _HOUSE,
        "list_acts": _HOUSE,
        "verify_acts": _HOUSE,
        "revoke_key": _HOUSE,
        "rotate_key": _HOUSE,
        "show_threshold": _for("enroll", "identify", "visits"),
        "create_collection": _HOUSE,
        "delete_collection": _for("admin"),
        "change_collection": _for("admin"),
        "show_door": _for("kiosk", "visits"),
        "show_finder": _for("kiosk", "visits"),
        "list_names": _for("kiosk", "visits"),
        "create_visit": _for("kiosk", "visits"),
        "list_visits": _for("visits"),
        "count_visits": _for("visits"),
        "export_visits": _for("visits"),
        "show_visit": _for("visits"),
        "correct_visit": _for("visits"),
        "create_code": _for("enroll"),
        "delete_codes": _for("enroll"),
        "show_consent_text": _for("kiosk", "enroll", "visits"),
        "list_consent_texts": _for("enroll", "visits"),
        "create_consent_text": _for("admin"),
        "list_consents": _for("enroll", "visits"),
        "create_consent": _for("enroll"),
        "create_registration": _for("kiosk", "enroll"),
        "stream_events": _for("visits"),
        "erase_subject": _for("enroll"),
        "withdraw_consent": _for("enroll"),
        "show_picture": _for("enroll"),
        "list_duplicates": _for("enroll"),
        "merge_subject": _for("enroll"),
        "tell_apart": _for("enroll"),
        "list_webhooks": _for("admin"),
        "create_webhook": _for("admin"),
        "change_webhook": _for("admin"),
        "delete_webhook": _for("admin"),
        "list_deliveries": _for("admin"),
        "resend_deliveries": _for("admin"),
    }
)
"""By operation id. A route that is not here is refused."""

_bearer = HTTPBearer(auto_error=False, description="A key of `frontalis keys create`, or the one of FRONTALIS_API_KEY.")
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, for those who cannot send Bearer."
)


def declare(schema: dict[str, Any]) -> None:
    """Write each operation's scopes into an OpenAPI document, as ``x-scopes``."""
    for operation in [one for item in schema["paths"].values() for one in item.values()]:
        rule = RULES.get(operation["operationId"])
        operation["x-scopes"] = sorted(rule.scopes) if rule else []
        if rule == OPEN:
            operation.pop("security", None)


async def guard(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> None:
    """Before every route, and before its body is read.

    Raises ``Unauthorized``, ``Forbidden``, ``ForeignOrigin``, ``RateLimited``, ``StoreError``.
    """
    rule = RULES.get(request.scope["route"].name)
    if rule == OPEN:
        return
    caller = await _caller(request, bearer.credentials if bearer else header or "")
    request.state.caller = caller
    limits_of(request).ask(caller)
    if rule is None or not caller.has(*rule.scopes):
        needed = sorted(rule.scopes) if rule else ["nobody"]
        raise Forbidden(f"This needs a key for one of: {', '.join(needed)}", scopes=needed)
    if rule.everywhere and caller.collections is not None:
        raise Forbidden("This reaches beyond the collections that the key is for")


def require_closed_door(settings: Settings, database: Database) -> None:
    """At start. Raises ``ConfigurationError`` where everybody could come in, or nobody."""
    if is_loopback(settings.host) or settings.api_key is not None or keys.any_usable_key(database):
        return
    raise ConfigurationError(
        f"{settings.host} can be reached from other machines: make a key with `frontalis keys create`, "
        "set FRONTALIS_API_KEY, or listen on 127.0.0.1"
    )


async def _caller(request: Request, given: str) -> Caller:
    settings: Settings = request.app.state.settings
    if settings.api_key is not None and _same(given, settings.api_key.get_secret_value()):
        return ENVIRONMENT
    database = request.app.state.running.parts.database
    try:
        return await run_in_threadpool(keys.holder, database, given)
    except Unauthorized:
        if settings.api_key is None and not await run_in_threadpool(keys.any_key, database):
            _require_this_machine(request)
            return LOCAL
        if given:
            limits_of(request).wrong_key(request)
        raise


def _same(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode(), key.encode())


def caller_of(request: Request) -> Caller | None:
    """Who ``guard`` let in; None on a route that asks nobody."""
    return getattr(request.state, "caller", None)


def _caller_now(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CallerNow = Annotated[Caller, Depends(_caller_now)]


def _in_collection(
    caller: CallerNow, collection: Annotated[Id, Query(description="The collection.")] = "default"
) -> str:
    caller.require_collection(collection)
    return collection


InCollection = Annotated[str, Depends(_in_collection)]
"""The collection named in the query, one that the key is for."""


FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def _require_this_machine(request: Request) -> None:
    # Listening on loopback keeps other machines out, not web pages that the browser here has open: they may
    # post to us across origins, or point a name of theirs at 127.0.0.1. Nor a proxy here that lets others in.
    if any(name in request.headers for name in FORWARDED):
        raise ForeignOrigin("Behind a proxy a key is needed: make one with `frontalis keys create`")
    hosts = [urlsplit(f"//{request.headers.get('host', '')}").hostname, *_origins(request)]
    if any(host is None or not is_loopback(host) for host in hosts):
        raise ForeignOrigin("Without FRONTALIS_API_KEY only http://127.0.0.1 and http://localhost are served")


def _origins(request: Request) -> list[str | None]:
    origin = request.headers.get("origin")
    return [] if origin is None else [urlsplit(origin).hostname]
