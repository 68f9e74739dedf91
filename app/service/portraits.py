"""Pictures of templates, kept only where the operator says so, only sealed, and only as long as the template."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import NotSealed, PictureNotKept, SealBroken
from app.face.decode import PictureLimits, decode
from app.face.faces import Face
from app.service.parts import Parts
from app.store import queries
from app.store.models import Collection, Template
from app.store.picture_models import KeptPicture
from app.store.vectors import Owned, keyring_of

AROUND: Final = 2.0
"""Side of what is kept over the longer side of the face's box: enough to find the face in it again."""
SIDE: Final = 400
"""Pixels of it at most."""
QUALITY: Final = 90


def require_keys(parts: Parts) -> None:
    """Raises ``NotSealed``: a picture is never written plain."""
    if keyring_of(parts.database.engine.dialect) is None:
        raise NotSealed


def keep(parts: Parts, session: Session, template: Template, file: bytes, face: Face) -> None:
    """Beside a template that was written just now, from the ``file`` that it came from. Raises ``PictureError``."""
    image = decode(file, PictureLimits(max_pixels=parts.settings.max_pixels))
    cut = portrait(image, face.detection.box)
    owner = str(template.id)
    session.add(KeptPicture(collection_id=template.collection_id, template_id=template.id, file=Owned(cut, owner)))


def portrait(image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> bytes:
    """The square around ``box`` (pixels x0, y0, x1, y1) of ``image`` uint8 [h, w, 3] RGB, cut at the picture's edges,
    as a JPEG without any of the file's own notes."""
    height, width = image.shape[:2]
    half = AROUND * max(box[2] - box[0], box[3] - box[1], 1.0) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(width, max(left + 1, round(x + half))), min(height, max(top + 1, round(y + half)))
    cut = Image.fromarray(image[top:bottom, left:right])
    cut.thumbnail((SIDE, SIDE))
    out = BytesIO()
    cut.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def show(parts: Parts, collection: str, subject_id: str, template_id: str) -> bytes:
    """A JPEG. Raises ``CollectionNotFound``, ``SubjectNotFound``, ``TemplateNotFound``, ``PictureNotKept``,
    ``SealKeyMissing``, ``SealBroken``."""
    with parts.database.reading() as session:
        subject = queries.subject_of(session, queries.collection_named(session, collection).id, subject_id)
        template = queries.template_of(session, subject, template_id)
        row = session.scalars(select(KeptPicture).where(KeptPicture.template_id == template.id)).one_or_none()
        if row is None:
            raise PictureNotKept(template_id=template_id)
        if not isinstance(row.file, Owned) or row.file.owner != str(template.id):
            raise SealBroken("A picture was moved from one template to another")
        return bytes(row.file)


def kept_of(session: Session, subject: int) -> set[int]:
    """Row ids of the templates of a subject (row id) that have one."""
    owned = select(Template.id).where(Template.subject_id == subject)
    return set(session.scalars(select(KeptPicture.template_id).where(KeptPicture.template_id.in_(owned))))


def forget(session: Session, collection: Collection) -> None:
    """All of a collection."""
    session.execute(delete(KeptPicture).where(KeptPicture.collection_id == collection.id))
