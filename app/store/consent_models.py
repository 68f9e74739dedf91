"""Who agreed to what, when and how."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.store.models import Base, RowId, Utc, now


class ConsentText(Base):
    """What is agreed to, in each language (``texts``: language to text). Never changed; the newest counts."""

    __tablename__ = "consent_texts"
    __table_args__ = (UniqueConstraint("collection_id", "version"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    version: Mapped[int]
    texts: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class Consent(Base):
    """A subject's consent. ``given_by``: the id of the key that brought it. Withdrawn, it goes with the subject."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "subject_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"))
    text_id: Mapped[int] = mapped_column(ForeignKey("consent_texts.id", ondelete="CASCADE"), index=True)
    how: Mapped[str] = mapped_column(String(16))
    given_by: Mapped[str] = mapped_column(String(64))
    given_at: Mapped[datetime] = mapped_column(Utc, default=now)
    text: Mapped[ConsentText] = relationship()
