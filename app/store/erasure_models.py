"""What was erased, told without whose it was; and when the retention clock last ran."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models import Base, RowId, Utc, now


class Receipt(Base):
    """``subject``: HMAC-SHA256 of collection and subject id with the secret of the data folder, hexadecimal.

    ``counts``: rows by table; ``templates``: row ids, which are never used again. Nothing of the face, no name.
    """

    __tablename__ = "receipts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(36), unique=True)
    collection: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(16))
    counts: Mapped[dict[str, int]] = mapped_column(JSON)
    templates: Mapped[list[int]] = mapped_column(JSON)
    erased_at: Mapped[datetime] = mapped_column(Utc, default=now)


class RetentionRun(Base):
    """One run of the retention clock."""

    __tablename__ = "retention_runs"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    ran_at: Mapped[datetime] = mapped_column(Utc, default=now)
    erased: Mapped[int]
