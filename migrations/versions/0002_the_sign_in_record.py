"""The sign-in record"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
utc = sa.DateTime(timezone=True)


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("collections", sa.Column("door", sa.JSON(), nullable=True))
    op.create_table(
        "visits",
        sa.Column("id", row_id, nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=True),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("checked_in_at", utc, nullable=True),
        sa.Column("checked_out_at", utc, nullable=True),
        sa.Column("touched_at", utc, nullable=False),
        sa.Column("corrected_at", utc, nullable=True),
        sa.Column("probe", sa.LargeBinary(), nullable=True),
        sa.Column("extractor", sa.String(128), nullable=True),
        _foreign("visits", "collection_id", "collections"),
        _foreign("visits", "subject_id", "subjects"),
        sa.PrimaryKeyConstraint("id", name="pk_visits"),
        sa.UniqueConstraint("public_id", name="uq_visits_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_visits_collection_id_id", "visits", ["collection_id", "id"])
    op.create_index("ix_visits_subject_id_id", "visits", ["subject_id", "id"])
    op.create_table(
        "visit_keys",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("visit_id", row_id, nullable=False),
        sa.Column("action", sa.String(16), nullable=True),
        sa.Column("created_at", utc, nullable=False),
        _foreign("visit_keys", "collection_id", "collections"),
        _foreign("visit_keys", "visit_id", "visits"),
        sa.PrimaryKeyConstraint("id", name="pk_visit_keys"),
        sa.UniqueConstraint("collection_id", "key", name="uq_visit_keys_collection_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_visit_keys_visit_id", "visit_keys", ["visit_id"])
    op.create_index("ix_visit_keys_created_at", "visit_keys", ["created_at"])
    op.create_table(
        "subject_codes",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("subject_codes", "collection_id", "collections"),
        _foreign("subject_codes", "subject_id", "subjects"),
        sa.PrimaryKeyConstraint("id", name="pk_subject_codes"),
        sa.UniqueConstraint("collection_id", "digest", name="uq_subject_codes_collection_id_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subject_codes_subject_id", "subject_codes", ["subject_id"])
    op.create_table(
        "impostors",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=False),
        sa.Column("true_subject_id", row_id, nullable=True),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("frontalized", sa.LargeBinary(), nullable=False),
        sa.Column("model_id", sa.String(128), nullable=False),
        sa.Column("extractor", sa.String(128), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("impostors", "collection_id", "collections"),
        _foreign("impostors", "subject_id", "subjects"),
        _foreign("impostors", "true_subject_id", "subjects"),
        sa.PrimaryKeyConstraint("id", name="pk_impostors"),
        sqlite_autoincrement=True,
    )
    for column in ("collection_id", "subject_id", "true_subject_id"):
        op.create_index(f"ix_impostors_{column}", "impostors", [column])


def downgrade() -> None:
    for table in ("impostors", "subject_codes", "visit_keys", "visits"):
        op.drop_table(table)
    op.drop_column("collections", "door")
