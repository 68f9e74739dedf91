"""The in-process index on the disk, so that a start reads it instead of building it. Rows remain the truth.

It is brought to the rows by ids (``app.service.agreement``). Each model has a file of its own name.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from filelock import FileLock, Timeout
from sqlalchemy.orm import Session

from app.gallery.faiss import FaissGallery
from app.gallery.snapshot import fingerprint
from app.seal import Keyring
from app.service.agreement import Restored, bring_to_rows, held_by
from app.store import queries

log = structlog.get_logger("frontalis.index")

SAVE_CHANGES: Final = 1000
"""Changes after which a snapshot is written."""
SAVE_SECONDS: Final = 300.0
"""Seconds after which it is written for a single change: so long the file may hold what was deleted."""
SAVE_SHARE: Final = 0.05
"""Of the time at most this share goes to saving for many changes: while a million is enrolled the file, hundreds of
megabytes by then, is not written after every thousand."""


@dataclass(frozen=True, slots=True)
class SnapshotState:
    """``saved_at``: when the file was written, None where there is none; ``unsaved``: changes of this process that are
    not in it, the first of them for so many seconds."""

    saved_at: datetime | None
    unsaved: int
    unsaved_seconds: float


def _templates(gallery: FaissGallery) -> set[int]:
    return {int(one) for collection in gallery.collections() for one in gallery.ids(collection)[0]}


class Snapshots:
    """Reads and, where it is an ``own``er's, writes the snapshot of one gallery for one model.

    Of several owners of one folder one writes, until it closes or dies: the others hold the same.
    """

    def __init__(
        self, gallery: FaissGallery, folder: Path, model_id: str, own: bool, seals: Keyring | None = None
    ) -> None:
        self._gallery, self._folder, self._model_id = gallery, folder, model_id
        # Another key is another space: its snapshot has another name, and the old one is tidied away.
        name = model_id if seals is None else f"{model_id} {seals.active.hex()}"
        self._path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.snapshot"
        self._own, self._seals = own, seals
        self._writing = FileLock(f"{folder}.lock", timeout=0, thread_local=False)
        self._changes = self._saved = 0
        self._saved_at = self._unsaved_since = time.monotonic()
        self._took = 0.0

    def restore(self, session: Session) -> Restored | None:
        """Fill the gallery from the snapshot and bring it to the rows.

        None, and an empty gallery, where the snapshot is missing, not whole or not of these rows.
        """
        if not self._path.exists():
            return None
        if self._gallery.restore(self._path) is None:
            self.refuse("it is not whole, or another version wrote it")
            return None
        restored = self._follow(session)
        if restored is None:
            return None
        self.changed(restored.added + restored.removed)
        return restored

    def _follow(self, session: Session) -> Restored | None:
        restored = bring_to_rows(self._gallery, held_by(self._gallery), session, self._model_id)
        if restored is None:
            self.refuse("it holds other vectors than the rows")
            return None
        for collection in self._gallery.collections():
            templates, subjects = queries.template_ids(session, collection)
            if self._gallery.fingerprint(collection) != (len(templates), fingerprint(templates, subjects)):
                self.refuse("it holds other templates than the rows")
                return None
        return restored

    def refuse(self, reason: str) -> None:
        """Forget what was read of the snapshot, and say why."""
        for collection in self._gallery.collections():
            self._gallery.drop(collection)
        log.warning("snapshot not used", reason=reason)

    def changed(self, number: int) -> None:
        """So many more changes of the gallery are not in the file. Callers take turns."""
        if number and self._changes == self._saved:
            self._unsaved_since = time.monotonic()
        self._changes += number

    def state(self) -> SnapshotState:
        """How old the file is, and what it lacks."""
        unsaved = self._changes - self._saved
        try:
            saved_at = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except FileNotFoundError:
            saved_at = None
        return SnapshotState(saved_at, unsaved, time.monotonic() - self._unsaved_since if unsaved else 0.0)

    def due(self) -> bool:
        """Whether it is time to save."""
        unsaved, since = self._changes - self._saved, time.monotonic() - self._saved_at
        if unsaved >= SAVE_CHANGES and since >= self._took / SAVE_SHARE:
            return True
        return unsaved > 0 and since >= SAVE_SECONDS

    def _ours(self) -> bool:
        """Whether it is this process that writes; the first one to ask is."""
        if self._own and not self._writing.is_locked:
            try:
                self._writing.acquire()
            except Timeout:
                return False
        return self._own

    def save(self) -> None:
        """Write the file if anything changed and it is ours to write; no change waits. Raises ``GalleryError``."""
        changes, started = self._changes, time.monotonic()
        if changes == self._saved or not self._ours():
            return
        self._saved_at = started
        self._gallery.save(self._path, 0)  # ids tell what it lacks, so it needs no number
        self._saved, self._took, self._unsaved_since = changes, time.monotonic() - started, started
        log.info("snapshot saved", seconds=round(self._took, 3))

    def saved_templates(self) -> set[int]:
        """Row ids of what the file holds, read anew; none where it cannot be read."""
        fresh = FaissGallery(self._gallery.width, seals=self._seals)
        try:
            return _templates(fresh) if fresh.restore(self._path) is not None else set()
        finally:
            fresh.close()

    def tidy(self) -> None:
        """Remove snapshots of other models and what a crash left half written: they hold vectors too."""
        if self._ours() and self._folder.is_dir():
            for path in self._folder.iterdir():
                if path != self._path:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process write."""
        self._writing.release(force=True)
