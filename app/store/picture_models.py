"""Pictures of templates, for collections whose operator keeps them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models import Base, RowId, Utc, now
from app.store.vectors import SealedFile


class KeptPicture(Base):
    """The part of an enrolled picture that shows the face: JPEG, sealed. It goes with its template."""

    __tablename__ = "pictures"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"), unique=True)
    file: Mapped[bytes] = mapped_column(SealedFile("pictures.file"))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
