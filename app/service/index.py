"""Keeps the gallery equal to the rows: commit, then index, then answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.errors import FrontalisError, GalleryError, StoreError
from app.gallery.contract import Gallery, Hit
from app.service.agreement import Restored, bring_to_rows, held_by
from app.service.following import Follower
from app.service.snapshots import Snapshots, SnapshotState
from app.store import following, queries
from app.store.database import Database
from app.store.models import Collection

log = structlog.get_logger("frontalis.index")

LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries to rebuild an index that cannot be."""


@dataclass(slots=True, eq=False)
class Change:
    """A transaction, and what the gallery has to be told once it is committed."""

    session: Session
    catch_up: Callable[[Collection], None]
    """Let the gallery have what other processes changed in this collection, whose row is locked."""
    told: list[Callable[[Gallery], object]] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)

    def add(self, vectors: queries.Vectors) -> None:
        self.touched.add(vectors.collection)
        self.told.append(
            lambda gallery: gallery.add(vectors.collection, vectors.templates, vectors.subjects, vectors.vectors)
        )

    def remove(self, collection: int, templates: list[int]) -> None:
        self.touched.add(collection)
        self.told.append(lambda gallery: gallery.remove(collection, np.array(templates, np.int64)))

    def drop(self, collection: int) -> None:
        self.dropped.add(collection)
        self.told.append(lambda gallery: gallery.drop(collection))

    def numbers(self) -> dict[int, int]:
        """The change that this is in each collection it touches."""
        rows = (self.session.get(Collection, collection) for collection in self.touched)
        return {row.id: row.change for row in rows if row is not None}


@dataclass(frozen=True, slots=True)
class IndexState:
    """``templates``: how many the gallery holds, None where it does not say."""

    ready: bool
    templates: int | None


class Index:
    """The gallery beside its rows. Thread safe: searches run beside one change.

    Changes are made one at a time, transaction and index together: else a slow addition could reach the
    index after the deletion that followed it. What other processes changed is read and applied under the same
    lock (``follow``), for the same reason.
    """

    def __init__(self, gallery: Gallery, database: Database, model_id: str, snapshots: Snapshots | None = None) -> None:
        self._gallery, self._database, self._model_id = gallery, database, model_id
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._ready = False
        self._follower = Follower(gallery, model_id)

    @property
    def ready(self) -> bool:
        """False from a failure of the index until it is rebuilt; searches are refused meanwhile."""
        return self._ready

    def require_ready(self) -> None:
        """Raises ``GalleryError``."""
        if not self._ready:
            raise GalleryError("The index is being rebuilt from the rows; try again soon")

    def state(self) -> IndexState:
        """How it is, without waiting for a change."""
        try:
            templates = sum(self._gallery.count(collection) for collection in self._gallery.collections())
        except GalleryError:
            return IndexState(self._ready, None)
        return IndexState(self._ready, templates)

    def behind(self, heads: dict[int, int]) -> int:
        """How many changes of the rows, which end at ``heads``, the gallery has not read."""
        return self._follower.behind(heads)

    def snapshot_state(self) -> SnapshotState | None:
        """None where there is no snapshot to keep."""
        return None if self._snapshots is None else self._snapshots.state()

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Commit at the end of the block, then bring the index up to date.

        Raises ``GalleryError`` with ``written`` true when the rows are committed and the index failed.
        """
        with self._lock:
            leaving = False
            try:
                with self._database.writing() as session:
                    change = Change(session, lambda collection: self._catch_up(session, collection))
                    yield change
                    numbers = change.numbers()
                    leaving = True
            except BaseException:
                # A commit that failed half-way may have been written: only the rows know.
                if leaving:
                    self._ready = False
                raise
            if self._ready:
                self._apply(change, numbers)

    def _apply(self, change: Change, numbers: dict[int, int]) -> None:
        try:
            for tell in change.told:
                tell(self._gallery)
        except Exception as error:
            self._ready = False
            raise GalleryError("The rows are written, the index failed; it is being rebuilt", written=True) from error
        for collection, number in numbers.items():
            self._follower.told(collection, number)
        for collection in change.dropped:
            self._follower.dropped(collection)
        self._note(len(change.told))

    def follow(self) -> bool:
        """Take over what other processes committed, a bounded part of it; True while there is more.

        Raises ``GalleryError``, ``StoreError``.
        """
        with self._lock:
            if not self._ready:
                return False
            with self._failing(), self._database.reading() as session:
                changed, more = self._follower.follow(session)
            self._note(changed)
            return more

    def _catch_up(self, session: Session, collection: Collection) -> None:
        more = self._ready
        while more:
            with self._failing():
                changed, more = self._follower.follow_one(session, collection.id, collection.change)
            self._note(changed)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Any failure but the database's is the index's: it has to be rebuilt."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            self._ready = False
            raise GalleryError("The index could not follow the rows; it is being rebuilt") from error

    def _note(self, changes: int) -> None:
        if self._snapshots is not None:
            self._snapshots.changed(changes)

    def search(self, collection: int, vectors: NDArray[np.float32], k: int) -> list[list[Hit]]:
        """The ``k`` best subjects for each of the unit ``vectors`` [n, width]. Raises ``GalleryError``."""
        self.require_ready()
        try:
            return self._gallery.search(collection, vectors, k)
        except FrontalisError:
            raise
        except Exception as error:
            self._ready = False
            raise GalleryError from error

    def fill(self) -> None:
        """At start: from the snapshot where it agrees with the rows, else from the rows.

        Raises ``GalleryError``, ``StoreError``.
        """
        if not self._restored():
            log.info("index built", templates=self.rebuild())

    def refill(self) -> int:
        """After a failure. What a service of its own holds is compared with the rows, and filled anew only where that
        does not help: others search in it. Answers how many templates it holds. Raises ``GalleryError``."""
        if self._snapshots is None and self._restored():
            return sum(self._gallery.count(collection) for collection in self._follower.collections())
        return self.rebuild()

    def _restored(self) -> bool:
        with self._lock:
            found = self._from_service() if self._snapshots is None else self._from_snapshot(self._snapshots)
            self._ready = found is not None
        if found is not None:
            log.info("index restored", templates=found.templates, added=found.added, removed=found.removed)
        return self._ready

    def _from_service(self) -> Restored | None:
        with self._failing():
            held = held_by(self._gallery)
            with self._database.reading() as session:
                heads = following.heads(session)
                found = bring_to_rows(self._gallery, held, session, self._model_id)
                self._follower.start_at(heads)
            if found is None:
                log.warning("the gallery holds other vectors than the rows; it is filled anew")
            return found

    def _from_snapshot(self, snapshots: Snapshots) -> Restored | None:
        try:
            with self._database.reading() as session:
                found = snapshots.restore(session)
                self._follower.start_at(following.heads(session))
                return found
        except StoreError:
            raise
        except Exception as error:
            snapshots.refuse(type(error).__name__)
            return None

    def keep(self) -> None:
        """Write a snapshot if it is time; no request waits for it. A failure is logged: the rows are the truth."""
        if self._ready and self._snapshots is not None and self._snapshots.due():
            self._save(self._snapshots)

    def _save(self, snapshots: Snapshots) -> None:
        try:
            snapshots.save()
        except Exception as error:
            log.error("snapshot not saved", error=type(error).__name__)

    def rebuild(self) -> int:
        """Fill the gallery from the rows. Answers how many templates it holds. Raises ``GalleryError``."""
        with self._lock:
            self._ready = False
            total = 0
            try:
                with self._database.reading() as session:
                    heads = following.heads(session)
                    for collection in {*self._follower.collections(), *heads}:
                        self._gallery.drop(collection)
                    for part in queries.all_vectors(session, self._model_id, self._gallery.width):
                        self._gallery.add(part.collection, part.templates, part.subjects, part.vectors)
                        total += len(part.templates)
                    self._follower.start_at(heads)
            except FrontalisError:
                raise
            except Exception as error:
                raise GalleryError("The index could not be rebuilt") from error
            self._ready = True
            self._note(total)
            return total

    def save(self) -> None:
        """Write the snapshot now: what was erased must not wait for its turn. A failure is logged."""
        if self._ready and self._snapshots is not None:
            self._save(self._snapshots)

    def templates(self) -> set[int]:
        """Row ids that the gallery holds. Raises ``GalleryError``."""
        return {int(one) for templates in held_by(self._gallery).values() for one in templates}

    def saved_templates(self) -> set[int]:
        """Row ids in the snapshot file."""
        return self._snapshots.saved_templates() if self._snapshots is not None else set()

    def close(self) -> None:
        """Write the last changes to the snapshot and let go of the gallery."""
        with self._lock:
            ready, self._ready = self._ready, False
            if ready and self._snapshots is not None:
                self._save(self._snapshots)
            self._gallery.close()


def keep_ready(index: Index, stop: threading.Event, every: float) -> None:
    """Until ``stop``, every so many seconds: let the index follow the rows, save it now and then, rebuild it where
    it failed, ever less often."""
    pause = every
    while not stop.wait(pause):
        try:
            if not index.ready:
                log.info("index rebuilt", templates=index.refill())
            pause = every
            while index.follow() and not stop.is_set():
                pass
            index.keep()
        except FrontalisError as error:
            pause = every if index.ready else min(2 * pause, LONGEST_PAUSE)
            log.error("index does not follow the rows", code=error.code, retry_s=pause)
