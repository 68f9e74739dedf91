"""The one tree of exceptions. Each has a stable ``code`` that clients may rely on.

The HTTP status lives here beside the code so that the list is written once; only ``app.api`` reads it.
Messages name ids, limits and codes, never names, pixels or vectors.
"""

from __future__ import annotations

from typing import Any, ClassVar


class FrontalisError(Exception):
    """Anything Frontalis refuses or fails at. ``detail`` is for people, ``code`` for programs."""

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed"

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra


# --- pictures -------------------------------------------------------------------------------------


class PictureError(FrontalisError):
    """The bytes cannot be used as a picture."""

    code, status, title = "BAD_IMAGE", 422, "The picture cannot be used"


class EmptyImage(PictureError):
    code, title = "EMPTY_IMAGE", "The picture has no bytes"


class NotAnImage(PictureError):
    code, status, title = "NOT_AN_IMAGE", 415, "Not a JPEG, PNG, WebP or HEIC picture"


class TruncatedImage(PictureError):
    code, title = "TRUNCATED_IMAGE", "The picture ends too early or is damaged"


class ImageTooLarge(PictureError):
    code, status, title = "IMAGE_TOO_LARGE", 413, "The picture has too many pixels"


class ImageTooSmall(PictureError):
    code, title = "IMAGE_TOO_SMALL", "The picture is too small to hold a face"


class AnimatedImage(PictureError):
    code, title = "ANIMATED_IMAGE", "Animated pictures are not accepted"


# --- faces ----------------------------------------------------------------------------------------


class FaceError(FrontalisError):
    """The picture is fine; its faces are not what was asked for."""

    code, status, title = "BAD_FACE", 422, "The face cannot be used"


class NoFace(FaceError):
    code, title = "NO_FACE", "No face was found"


class MultipleFaces(FaceError):
    code, title = "MULTIPLE_FACES", "More than one face was found"


class TooManyFaces(FaceError):
    code, title = "TOO_MANY_FACES", "More faces than the limit were found"


class OtherFace(FaceError):
    code, title = "OTHER_FACE", "The frame shows somebody else than the best frame"


class LowQuality(FaceError):
    code, title = "LOW_QUALITY", "The face is too small, blurred or dark"


class Occluded(FaceError):
    code, title = "OCCLUDED", "Too much of the face is covered"


class PoseTooExtreme(FaceError):
    code, title = "POSE_TOO_EXTREME", "The head is turned too far"


class PresentationAttack(FaceError):
    code, title = "PRESENTATION_ATTACK", "The picture looks like a print or a screen, not like a person"


# --- weights --------------------------------------------------------------------------------------


class WeightsError(FrontalisError):
    """A model cannot be loaded: missing, altered, or for another width."""

    code, status, title = "WEIGHTS", 503, "The model's weights cannot be used"


class ModelMismatch(FrontalisError):
    """Vectors of two model ids never meet."""

    code, status, title = "MODEL_MISMATCH", 409, "The collection was enrolled with another model"


# --- gallery and store ----------------------------------------------------------------------------


class SealError(FrontalisError):
    code, status, title = "SEALED", 503, "What is sealed cannot be opened"


class SealKeyMissing(SealError):
    code, title = "SEAL_KEY_MISSING", "The key that it is sealed under is not configured"


class SealBroken(SealError):
    code, title = "SEAL_BROKEN", "What is sealed was altered"


class GalleryError(FrontalisError):
    """The index failed; the rows are still the truth."""

    code, status, title = "GALLERY_UNAVAILABLE", 503, "The index is not ready"


class BadArchive(FrontalisError):
    code, status, title = "BAD_ARCHIVE", 422, "The file is no whole exported collection"


class ArchiveConflict(FrontalisError):
    code, status, title = "ARCHIVE_CONFLICT", 409, "The collection holds other vectors than the file"


class BadEmbeddings(FrontalisError):
    code, status, title = "BAD_EMBEDDINGS", 422, "The file's embeddings cannot be enrolled"


class StoreError(FrontalisError):
    code, status, title = "STORE_UNAVAILABLE", 503, "The database cannot be reached"


# --- requests -------------------------------------------------------------------------------------


class SpectrumUnavailable(FrontalisError):
    """Infrared was asked for and the model has no network for it."""

    code, status, title = "SPECTRUM_UNAVAILABLE", 422, "This server's model has no infrared network"


class RequestError(FrontalisError):
    code, status, title = "BAD_REQUEST", 422, "The request is not valid"


class BodyTooLarge(RequestError):
    code, status, title = "BODY_TOO_LARGE", 413, "The request body is over the limit"


class TooSlow(RequestError):
    code, status, title = "TOO_SLOW", 408, "The request's body did not arrive in time"


class UnsupportedMediaType(RequestError):
    code, status, title = "UNSUPPORTED_MEDIA_TYPE", 415, "Send multipart/form-data or application/json"


class AllRejected(RequestError):
    code, title = "ALL_REJECTED", "No picture could be enrolled; nothing was written"


class DuplicateSubject(RequestError):
    code, status, title = "DUPLICATE_SUBJECT", 409, "The face already belongs to another subject"


class NotFound(RequestError):
    code, status, title = "NOT_FOUND", 404, "There is no such thing"


class SubjectNotFound(NotFound):
    code, title = "SUBJECT_NOT_FOUND", "There is no such subject in the collection"


class TemplateNotFound(NotFound):
    code, title = "TEMPLATE_NOT_FOUND", "The subject has no such template"


class PictureNotKept(NotFound):
    code, title = "PICTURE_NOT_KEPT", "No picture of this template is kept"


class NotSealed(RequestError):
    code, status, title = (
        "NOT_SEALED",
        409,
        "Pictures are kept only where there is a key to seal them: FRONTALIS_SEAL_KEY",
    )


class CollectionNotFound(NotFound):
    code, title = "COLLECTION_NOT_FOUND", "There is no such collection"


class CollectionExists(RequestError):
    code, status, title = "COLLECTION_EXISTS", 409, "The collection exists already"


class VisitNotFound(NotFound):
    code, title = "VISIT_NOT_FOUND", "There is no such visit in the collection"


class NoOpenVisit(RequestError):
    code, status, title = "NO_OPEN_VISIT", 409, "There is no visit to check out of"


class NotCorrectable(RequestError):
    code, status, title = "NOT_CORRECTABLE", 409, "Only a visit that matched somebody can be corrected, once"


class MethodRefused(RequestError):
    code, status, title = "METHOD_REFUSED", 403, "The collection does not sign in by this method"


class KeyReused(RequestError):
    code, status, title = "KEY_REUSED", 422, "The idempotency key belongs to another request"


class CodeTaken(RequestError):
    code, status, title = "CODE_TAKEN", 409, "The code belongs to another subject"


class ConsentTextNotFound(NotFound):
    code, title = "CONSENT_TEXT_NOT_FOUND", "The collection has no consent text"


class ConsentRequired(RequestError):
    code, status, title = "CONSENT_REQUIRED", 403, "Nobody is enrolled here without consent"


class ConsentOutdated(RequestError):
    code, status, title = "CONSENT_OUTDATED", 409, "The consent is to a text that is no longer in force"


class BadFields(RequestError):
    code, title = "BAD_FIELDS", "The answers do not fit what the venue asks"


class WebhookNotFound(NotFound):
    code, title = "WEBHOOK_NOT_FOUND", "There is no such webhook in the collection"


class TooManyWebhooks(RequestError):
    code, status, title = "TOO_MANY_WEBHOOKS", 409, "The collection has as many webhooks as it may have"


class TargetRefused(RequestError):
    code, title = "TARGET_REFUSED", "A webhook may not go there"


class ReceiptNotFound(NotFound):
    code, title = "RECEIPT_NOT_FOUND", "Nothing was erased under this id"


class ClockJumped(FrontalisError):
    """The retention clock will not erase on the word of a clock that may be wrong."""

    code, title = "CLOCK_JUMPED", "The clock jumped since the last run; `frontalis retention run --sure` if it is right"


class BadCursor(RequestError):
    code, title = "BAD_CURSOR", "The cursor is not one of ours"


class BadBase64(RequestError):
    code, title = "BAD_BASE64", "The picture is not base64"


class BadMetadata(RequestError):
    code, title = "BAD_METADATA", "The metadata is not a JSON object within the limits"


class UnknownAttribute(RequestError):
    code, title = "UNKNOWN_ATTRIBUTE", "There is no such attribute"


class AttributeUnavailable(RequestError):
    code, title = "ATTRIBUTE_UNAVAILABLE", "The server's model cannot estimate this attribute"


class TooManyTemplates(RequestError):
    code, status, title = "TOO_MANY_TEMPLATES", 409, "The subject has as many templates as it may have"


class TooManyCollections(RequestError):
    code, status, title = "TOO_MANY_COLLECTIONS", 409, "There are as many collections as there may be"


class MethodNotAllowed(RequestError):
    code, status, title = "METHOD_NOT_ALLOWED", 405, "The address does not know this method"


class Unauthorized(RequestError):
    code, status, title = "UNAUTHORIZED", 401, "The key is missing or wrong"


class ForeignOrigin(RequestError):
    code, status, title = "FOREIGN_ORIGIN", 403, "Without a key only this machine may ask"


class KeyExpired(Unauthorized):
    code, title = "KEY_EXPIRED", "The key has expired"


class KeyRevoked(Unauthorized):
    code, title = "KEY_REVOKED", "The key was revoked"


class KeyNotFound(NotFound):
    code, title = "KEY_NOT_FOUND", "There is no such key"


class Forbidden(RequestError):
    code, status, title = "FORBIDDEN", 403, "The key may not do this"


class RateLimited(RequestError):
    code, status, title = "RATE_LIMITED", 429, "Too many requests; ask again later"


class Overloaded(FrontalisError):
    """As many requests wait as may wait."""

    code, status, title = "OVERLOADED", 503, "Too many requests wait; try again soon"


class ConfigurationError(FrontalisError):
    """Frontalis cannot start as it was asked to."""

    code, title = "CONFIGURATION", "The settings cannot be met"
