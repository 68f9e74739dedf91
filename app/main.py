"""create_app(): lifespan, routers, error handlers. Nothing else."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from app.api import problems
from app.api.access import declare, guard, require_closed_door
from app.api.dependencies import Running
from app.api.limiter import Limits
from app.api.metrics import Metrics
from app.api.middleware import Edge
from app.api.pool import Pool
from app.api.routers import (
    acts,
    board,
    collections,
    consent,
    door,
    duplicates,
    erasure,
    figures,
    keys,
    operations,
    recognition,
    subjects,
    visits,
    webhooks,
)
from app.api.routers.board import Seats
from app.gallery.contract import Gallery
from app.service.courier import Courier
from app.service.house import opened
from app.service.index import keep_ready
from app.service.machine import facts
from app.service.parts import Engine
from app.service.retention import keep_clock
from app.settings import Settings
from app.store.secret import data_secret

log = structlog.get_logger("frontalis")

WEB: Final = Path(__file__).parent / "web"
PAGES: Final = {
    "/": "index.html",
    "/docs": "docs.html",
    "/admin": "admin.html",
    "/board": "board.html",
    "/kiosk": "kiosk.html",
    # A service worker serves pages at and below its own address only, so it has one beside its page.
    "/kiosk-worker.js": "kiosk-worker.js",
}


def create_app(settings: Settings, engine: Engine | None = None, gallery: Gallery | None = None) -> FastAPI:
    """The service. Engine and gallery are made from the settings at start unless they are given."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            parts = stack.enter_context(opened(settings, engine, gallery))
            require_closed_door(settings, parts.database)
            pool = Pool(settings.threads, settings.max_waiting)
            stack.callback(pool.close)
            stop = threading.Event()
            every = settings.follow_seconds / 2
            mender = threading.Thread(target=keep_ready, args=(parts.index, stop, every), name="frontalis-index")
            courier = Courier(parts.database, settings.webhook_private_targets)
            carrier = threading.Thread(target=courier.work, args=(stop,), name="frontalis-webhooks")
            clock = threading.Thread(target=keep_clock, args=(parts, stop), name="frontalis-retention")
            for thread in (mender, carrier, clock):
                thread.start()
                stack.callback(thread.join)
            stack.callback(stop.set)
            app.state.running = Running(parts, pool, data_secret(settings.data_dir))
            app.state.metrics.watch(parts.index)
            log.info(
                "started",
                model_id=parts.engine.model_id,
                runtime=parts.engine.runtime,
                database=parts.database.url.get_backend_name(),
                **facts(settings),
            )
            yield
            log.info("stopping")

    app = FastAPI(
        title="Frontalis",
        version=version("frontalis"),
        summary="Self-hosted face recognition that still knows you from the side",
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings, app.state.metrics = settings, Metrics()
    # Whoever runs the server says when it is asked to stop; streams end then.
    app.state.seats, app.state.leaving = Seats(settings.max_boards), lambda: False
    app.state.limits = limits = Limits(settings.rate_limit, settings.address_rate_limit)
    app.add_middleware(Edge, metrics=app.state.metrics, limits=limits, max_body_bytes=settings.max_body_bytes)
    problems.install(app)
    for part in (
        recognition,
        subjects,
        collections,
        duplicates,
        door,
        visits,
        board,
        webhooks,
        consent,
        erasure,
        figures,
        keys,
        acts,
        operations,
    ):
        app.include_router(part.router, dependencies=[Depends(guard)])
    app.mount("/web", StaticFiles(directory=WEB), name="web")
    # Swagger UI from a package: the page works without the internet and tells nobody that it was opened.
    app.mount("/swagger", StaticFiles(packages=[("fastapi_swagger", "resources")]), name="swagger")
    for path, page in PAGES.items():
        app.add_api_route(path, _page(WEB / page), methods=["GET", "HEAD"], include_in_schema=False)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _page(file: Path) -> Callable[[], FileResponse]:
    return lambda: FileResponse(file)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schema["components"]["schemas"]["Problem"] = problems.Problem.model_json_schema()
        declare(schema)
        app.openapi_schema = schema
    return app.openapi_schema
