"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
utc = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", row_id, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("model_id", sa.String(128), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subjects",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("public_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("updated_at", utc, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_subjects_collection_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subjects"),
        sa.UniqueConstraint("collection_id", "public_id", name="uq_subjects_collection_id_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "templates",
        sa.Column("id", row_id, nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("frontalized", sa.LargeBinary(), nullable=False),
        sa.Column("pose", sa.JSON(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.Column("landmarks", sa.JSON(), nullable=False),
        sa.Column("detection_score", sa.Double(), nullable=False),
        sa.Column("model_id", sa.String(128), nullable=False),
        sa.Column("extractor", sa.String(128), nullable=False),
        sa.Column("detector", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_templates_collection_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_templates_subject_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.UniqueConstraint("public_id", name="uq_templates_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_templates_collection_id_change", "templates", ["collection_id", "change"])
    op.create_index("ix_templates_subject_id", "templates", ["subject_id"])
    op.create_index("ix_templates_digest", "templates", ["digest"])
    op.create_table(
        "removals",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_removals_collection_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_removals"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_removals_collection_id_change", "removals", ["collection_id", "change"])


def downgrade() -> None:
    for table in ("removals", "templates", "subjects", "collections"):
        op.drop_table(table)
