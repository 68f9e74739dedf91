"""Pairs of subjects that resemble each other and are two people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models import Base, RowId, Utc, now


class Stranger(Base):
    """Somebody said that ``subject`` is not ``other``, who was enrolled earlier. It goes with either."""

    __tablename__ = "strangers"
    __table_args__ = (UniqueConstraint("subject_id", "other_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"))
    other_id: Mapped[int] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
