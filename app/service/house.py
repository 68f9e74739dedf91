"""Opening and closing everything, in order: lock, tables, engine, index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.errors import StoreError
from app.gallery.contract import Gallery
from app.gallery.faiss import FaissGallery
from app.service.collections import ensure_default
from app.service.index import Index
from app.service.loading import load_engine, load_gallery, load_presentation
from app.service.machine import prepare
from app.service.parts import Engine, Parts
from app.service.snapshots import Snapshots
from app.settings import Settings
from app.store import ledger, migrate
from app.store.database import Database
from app.store.lock import alone


@contextmanager
def opened(
    settings: Settings, engine: Engine | None = None, gallery: Gallery | None = None, own: bool = True
) -> Iterator[Parts]:
    """Everything ready for requests, closed again at the end.

    ``own``: bring the tables up and keep the snapshot. Those who only read may do without.
    Raises ``StoreError``, ``WeightsError``, ``ConfigurationError``, ``GalleryError``.
    """
    prepare(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        seals = settings.keyring()
        database = Database(settings.database, settings.threads + 2, seals, settings.data_dir / ledger.NAME)
        stack.callback(database.close)
        if own:
            with alone(database):
                migrate.upgrade(database)
                ensure_default(database)
        elif migrate.revision(database) != migrate.head():
            raise StoreError("The database is empty or of another version: run `frontalis migrate`")
        engine = engine or load_engine(settings)
        gallery = gallery or load_gallery(settings, engine.width, engine.model_id, own)
        snapshots = None
        if isinstance(gallery, FaissGallery):
            snapshots = Snapshots(gallery, settings.data_dir / "index", engine.model_id, own, seals)
            stack.callback(snapshots.close)
        index = Index(gallery, database, engine.model_id, snapshots)
        stack.callback(index.close)
        index.fill()
        if snapshots is not None:
            snapshots.tidy()
        yield Parts(settings, engine, database, index, presentation=load_presentation(settings))
