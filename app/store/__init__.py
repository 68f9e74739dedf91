"""Rows. Every table is known wherever one of them is: keys between them need it, and so do migrations."""

from app.store import audit_models as audit_models
from app.store import consent_models as consent_models
from app.store import erasure_models as erasure_models
from app.store import key_models as key_models
from app.store import models as models
from app.store import outbox_models as outbox_models
from app.store import picture_models as picture_models
from app.store import stranger_models as stranger_models
from app.store import visit_models as visit_models
