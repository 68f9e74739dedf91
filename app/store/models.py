"""The rows. They are the truth: every index can be rebuilt from them.

Integer keys are never used again (AUTOINCREMENT on SQLite): an index that still holds a deleted row's
number must not find somebody else under it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.store.vectors import Vector

RowId = BigInteger().with_variant(Integer(), "sqlite")


class Utc(TypeDecorator[datetime]):
    """Aware UTC times on every database; SQLite alone forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The present time, aware, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that migrations can find them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Collection(Base):
    """A set of subjects that are searched together.

    ``model_id`` is pinned by the first template. ``change`` grows by one with every transaction that adds
    or removes templates; taking its row lock orders the writers, so numbers are committed in order and a
    follower that has seen n misses nothing below n. ``door`` holds the rules of the door that differ from the
    defaults.
    """

    __tablename__ = "collections"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    model_id: Mapped[str | None] = mapped_column(String(128))
    change: Mapped[int] = mapped_column(BigInteger, default=0)
    door: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class Subject(Base):
    """A person. ``public_id`` is the caller's id, or a UUIDv7 of ours."""

    __tablename__ = "subjects"
    __table_args__ = (UniqueConstraint("collection_id", "public_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    public_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str | None] = mapped_column(String(200))
    # "metadata" is taken by SQLAlchemy's declarative base.
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    updated_at: Mapped[datetime] = mapped_column(Utc, default=now, onupdate=now)
    templates: Mapped[list[Template]] = relationship(
        back_populates="subject", passive_deletes="all", order_by="Template.id"
    )


class Template(Base):
    """One enrolled face. ``id`` is what the gallery knows it by.

    ``embedding`` and ``frontalized`` are float32, little endian, unit length. The raw one is kept so that
    another frontalizer can be applied without the picture, as long as ``extractor`` is the same. ``digest``
    is the SHA-256 of the file it came from; ``change`` is the collection's number of the transaction that
    wrote it. ``spectrum`` is ``visible`` or ``infrared``, by which network it was embedded; both share a space.
    ``captured_at`` is when the picture was taken, as far as anybody said.
    """

    __tablename__ = "templates"
    __table_args__ = (Index(None, "collection_id", "change"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(36), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    change: Mapped[int] = mapped_column(BigInteger)
    embedding: Mapped[bytes] = mapped_column(Vector("templates.embedding"))
    frontalized: Mapped[bytes] = mapped_column(Vector("templates.frontalized"))
    pose: Mapped[dict[str, float]] = mapped_column(JSON)
    quality: Mapped[dict[str, float]] = mapped_column(JSON)
    box: Mapped[list[float]] = mapped_column(JSON)
    landmarks: Mapped[list[list[float]]] = mapped_column(JSON)
    detection_score: Mapped[float] = mapped_column(Double)
    model_id: Mapped[str] = mapped_column(String(128))
    extractor: Mapped[str] = mapped_column(String(128))
    detector: Mapped[str] = mapped_column(String(128))
    digest: Mapped[str] = mapped_column(String(64), index=True)
    spectrum: Mapped[str] = mapped_column(String(8), server_default="visible")
    captured_at: Mapped[datetime | None] = mapped_column(Utc)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    subject: Mapped[Subject] = relationship(back_populates="templates")


class Removal(Base):
    """A template that is gone: numbers only, so that followers of ``change`` can forget it too."""

    __tablename__ = "removals"
    __table_args__ = (Index(None, "collection_id", "change"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    template_id: Mapped[int] = mapped_column(BigInteger)
    change: Mapped[int] = mapped_column(BigInteger)
