"""Webhooks and what became of their deliveries."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from app import errors
from app.api import cursors
from app.api.access import InCollection
from app.api.bodies import documented, json_only
from app.api.dependencies import RunningNow
from app.api.problems import problems
from app.api.webhook_schemas import (
    DeliveryPagePublic,
    DeliveryPublic,
    ResendCreate,
    ResentPublic,
    WebhookCreate,
    WebhookListPublic,
    WebhookPublic,
    WebhookUpdate,
)
from app.service import webhooks
from app.service.webhooks import State

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

WebhookId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_KNOWN: Final = (errors.CollectionNotFound, errors.StoreError, errors.Overloaded)
_ONE: Final = (*_KNOWN, errors.WebhookNotFound)
_BODY: Final = (errors.BodyTooLarge, errors.UnsupportedMediaType)


@router.get("", summary="List webhooks", responses=problems(*_KNOWN))
async def list_webhooks(running: RunningNow, collection: InCollection) -> WebhookListPublic:
    """Oldest first, with how many deliveries wait and how many are dead."""
    found = await running.pool.run(webhooks.list_webhooks, running.parts, collection)
    return WebhookListPublic(webhooks=[WebhookPublic.model_validate(one) for one in found])


@router.post(
    "",
    status_code=201,
    summary="Make a webhook",
    openapi_extra=documented(WebhookCreate, multipart=False, example={"url": "https://hooks.example.org/door"}),
    responses=problems(*_KNOWN, *_BODY, errors.TargetRefused, errors.TooManyWebhooks),
)
async def create_webhook(
    running: RunningNow, body: Annotated[WebhookCreate, Depends(json_only(WebhookCreate))], response: Response
) -> WebhookPublic:
    """Every event of the collection is posted to it as JSON, signed with the secret, which is shown this once."""
    made = await running.pool.run(webhooks.add_webhook, running.parts, body.collection, body.url, body.kinds)
    response.headers["Location"] = f"/webhooks/{made.webhook_id}?collection={body.collection}"
    return WebhookPublic.model_validate(made)


@router.patch(
    "/{webhook_id}",
    summary="Change a webhook",
    openapi_extra=documented(WebhookUpdate, multipart=False, example={"enabled": False}),
    responses=problems(*_ONE, *_BODY, errors.TargetRefused),
)
async def change_webhook(
    webhook_id: WebhookId,
    running: RunningNow,
    collection: InCollection,
    body: Annotated[WebhookUpdate, Depends(json_only(WebhookUpdate))],
) -> WebhookPublic:
    """What is left out stays. Deliveries of a disabled one wait until it is enabled."""
    changes = body.model_dump(exclude_unset=True)
    changed = await running.pool.run(webhooks.change_webhook, running.parts, collection, webhook_id, changes)
    return WebhookPublic.model_validate(changed)


@router.delete("/{webhook_id}", status_code=204, summary="Delete a webhook", responses=problems(*_ONE))
async def delete_webhook(webhook_id: WebhookId, running: RunningNow, collection: InCollection) -> None:
    """With what was not delivered yet."""
    await running.pool.run(webhooks.delete_webhook, running.parts, collection, webhook_id)


@router.get("/{webhook_id}/deliveries", summary="List deliveries", responses=problems(*_ONE, errors.BadCursor))
async def list_deliveries(
    webhook_id: WebhookId,
    running: RunningNow,
    collection: InCollection,
    state: Annotated[State | None, Query(description="`dead`: those given up.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> DeliveryPagePublic:
    """Newest first: how often each was tried, what came back, when it is tried again."""
    scope = f"deliveries {webhook_id} {state}"
    before = int(cursors.read(running.secret, scope, cursor)) if cursor else None
    found = await running.pool.run(
        webhooks.list_deliveries, running.parts, collection, webhook_id, state, before, limit + 1
    )
    page, more = found[:limit], len(found) > limit
    return DeliveryPagePublic(
        deliveries=[DeliveryPublic.model_validate(one) for one in page],
        next_cursor=cursors.sign(running.secret, scope, str(page[-1].row)) if more else None,
    )


@router.post(
    "/{webhook_id}/resend",
    summary="Send dead deliveries again",
    openapi_extra=documented(ResendCreate, multipart=False, example={}),
    responses=problems(*_ONE, *_BODY),
)
async def resend_deliveries(
    webhook_id: WebhookId,
    running: RunningNow,
    collection: InCollection,
    body: Annotated[ResendCreate, Depends(json_only(ResendCreate))],
) -> ResentPublic:
    """They begin anew, with as many attempts as the first time."""
    number = await running.pool.run(webhooks.send_again, running.parts, collection, webhook_id, body.event_ids)
    return ResentPublic(resent=number)
