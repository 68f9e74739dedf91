"""Consent and the outbox"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
utc = sa.DateTime(timezone=True)


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "consent_texts",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("consent_texts", "collection_id", "collections"),
        sa.PrimaryKeyConstraint("id", name="pk_consent_texts"),
        sa.UniqueConstraint("collection_id", "version", name="uq_consent_texts_collection_id_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "consents",
        sa.Column("id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=False),
        sa.Column("text_id", row_id, nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("given_by", sa.String(64), nullable=False),
        sa.Column("given_at", utc, nullable=False),
        _foreign("consents", "subject_id", "subjects"),
        _foreign("consents", "text_id", "consent_texts"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consents_subject_id_id", "consents", ["subject_id", "id"])
    op.create_index("ix_consents_text_id", "consents", ["text_id"])
    op.create_table(
        "events",
        sa.Column("id", row_id, nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=True),
        sa.Column("visit_id", row_id, nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("events", "collection_id", "collections"),
        _foreign("events", "subject_id", "subjects"),
        _foreign("events", "visit_id", "visits"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("public_id", name="uq_events_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_collection_id_id", "events", ["collection_id", "id"])
    for column in ("subject_id", "visit_id", "created_at"):
        op.create_index(f"ix_events_{column}", "events", [column])
    op.create_table(
        "webhooks",
        sa.Column("id", row_id, nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("webhooks", "collection_id", "collections"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.UniqueConstraint("public_id", name="uq_webhooks_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhooks_collection_id", "webhooks", ["collection_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", row_id, nullable=False),
        sa.Column("webhook_id", row_id, nullable=False),
        sa.Column("event_id", row_id, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", utc, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("updated_at", utc, nullable=False),
        _foreign("deliveries", "webhook_id", "webhooks"),
        _foreign("deliveries", "event_id", "events"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"])
    op.create_index("ix_deliveries_webhook_id", "deliveries", ["webhook_id"])
    op.create_index("ix_deliveries_event_id", "deliveries", ["event_id"])


def downgrade() -> None:
    for table in ("deliveries", "webhooks", "events", "consents", "consent_texts"):
        op.drop_table(table)
