"""Keeps a gallery up with what other processes commit to the same database."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.errors import GalleryError
from app.gallery.contract import Gallery
from app.store import following
from app.store.following import Place


class Follower:
    """Knows how far the gallery has read each collection's changes. Callers take turns.

    Rows are read as they are, not as they were: a template that went again is not seen, and it went with a later
    number. So reading from any earlier place, twice, or with changes of one's own in between, ends the same.
    """

    def __init__(self, gallery: Gallery, model_id: str) -> None:
        self._gallery, self._model_id = gallery, model_id
        self._read: dict[int, Place] = {}
        self._removed: dict[int, int] = {}

    def collections(self) -> list[int]:
        """Those that the gallery may hold templates of."""
        return list(self._read)

    def behind(self, heads: dict[int, int]) -> int:
        """How many changes of the rows, which end at ``heads``, were not read yet. May be asked beside a change."""
        read = dict(self._read)
        return sum(max(0, head - read.get(collection, Place(0)).change) for collection, head in heads.items())

    def start_at(self, heads: dict[int, int]) -> None:
        """The gallery holds all of these changes and nothing else."""
        self._read = {collection: Place(change) for collection, change in heads.items()}
        self._removed = dict(heads)

    def told(self, collection: int, change: int) -> None:
        """This process made the change and the gallery has it. Needs no reading if nothing came in between."""
        if self._read.get(collection, Place(0)) == Place(change - 1):
            self._read[collection] = Place(change)
            self._removed[collection] = change

    def dropped(self, collection: int) -> None:
        """The gallery was told that the collection is gone."""
        self._read.pop(collection, None)
        self._removed.pop(collection, None)

    def follow(self, session: Session) -> tuple[int, bool]:
        """Read on, a bounded number of rows. Answers how many changed, and whether there is more.

        Raises ``GalleryError`` when numbers went back: the database is another one, or an earlier one put back.
        """
        heads = following.heads(session)
        number, more = 0, False
        for collection in self._read.keys() - heads.keys():
            self._gallery.drop(collection)
            self.dropped(collection)
            number += 1
        for collection, head in heads.items():
            read = self._read.get(collection, Place(0))
            if head < read.change:
                raise GalleryError("The database holds less than was read from it")
            if read != Place(head):
                changed, unread = self.follow_one(session, collection, head)
                number, more = number + changed, more or unread
        return number, more

    def follow_one(self, session: Session, collection: int, head: int) -> tuple[int, bool]:
        """The same for one collection whose last change is ``head``."""
        read = self._read.get(collection, Place(0))
        gone = following.removed_after(session, collection, self._removed.get(collection, 0))
        if len(gone):
            self._gallery.remove(collection, gone)
        news = following.written_after(session, collection, read, head, self._model_id, self._gallery.width)
        if len(news.others):
            self._gallery.remove(collection, news.others)
        if len(news.templates):
            self._gallery.add(collection, news.templates, news.subjects, news.vectors)
        self._read[collection], self._removed[collection] = news.place, head
        return len(gone) + len(news.others) + len(news.templates), news.more
