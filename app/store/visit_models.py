"""Rows of the sign-in record. A subject's rows go with the subject."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Double, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.store.models import Base, RowId, Subject, Utc, now
from app.store.vectors import Vector


class Visit(Base):
    """One sign-in, or one attempt that matched nobody.

    ``subject_id`` is there where ``decision`` is ``match``. ``touched_at`` is the last check-in, check-out or
    return: the re-entry window counts from it. ``presented_as``: print, real or replay, where that was checked; an
    attack at any of a visit's sign-ins stays. ``probe`` is the raw embedding (float32, little endian, unit
    length) that ``extractor`` made of the frames, kept for as long as the visit may be corrected.
    """

    __tablename__ = "visits"
    __table_args__ = (
        Index(None, "collection_id", "id"),
        Index(None, "subject_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(36), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"))
    decision: Mapped[str] = mapped_column(String(16))
    method: Mapped[str] = mapped_column(String(16))
    score: Mapped[float | None] = mapped_column(Double)
    threshold: Mapped[float | None] = mapped_column(Double)
    frames: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    checked_in_at: Mapped[datetime | None] = mapped_column(Utc)
    checked_out_at: Mapped[datetime | None] = mapped_column(Utc)
    touched_at: Mapped[datetime] = mapped_column(Utc, default=now)
    corrected_at: Mapped[datetime | None] = mapped_column(Utc)
    presented_as: Mapped[str | None] = mapped_column(String(16))
    probe: Mapped[bytes | None] = mapped_column(Vector("visits.probe", owned=False))
    extractor: Mapped[str | None] = mapped_column(String(128))
    subject: Mapped[Subject | None] = relationship()


class VisitKey(Base):
    """An idempotency key and what it was answered with. ``fingerprint``: SHA-256 of the request, hexadecimal."""

    __tablename__ = "visit_keys"
    __table_args__ = (UniqueConstraint("collection_id", "key"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    visit_id: Mapped[int] = mapped_column(ForeignKey("visits.id", ondelete="CASCADE"), index=True)
    action: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now, index=True)
    visit: Mapped[Visit] = relationship()


class SubjectCode(Base):
    """A badge or a printed code. ``digest``: HMAC-SHA256 of the code with the secret of the data folder."""

    __tablename__ = "subject_codes"
    __table_args__ = (UniqueConstraint("collection_id", "digest"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class Impostor(Base):
    """A face that was taken for ``subject`` and is somebody else's (``true_subject_id``, where known).

    Vectors as in ``templates``.
    """

    __tablename__ = "impostors"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    true_subject_id: Mapped[int | None] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    embedding: Mapped[bytes] = mapped_column(Vector("impostors.embedding"))
    frontalized: Mapped[bytes] = mapped_column(Vector("impostors.frontalized"))
    model_id: Mapped[str] = mapped_column(String(128))
    extractor: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
