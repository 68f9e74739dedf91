"""Pictures of templates, where a collection keeps them; pairs that are two people however much they look alike"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
utc = sa.DateTime(timezone=True)


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("id", row_id, nullable=False),
        sa.Column("collection_id", row_id, nullable=False),
        sa.Column("template_id", row_id, nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("pictures", "collection_id", "collections"),
        _foreign("pictures", "template_id", "templates"),
        sa.PrimaryKeyConstraint("id", name="pk_pictures"),
        sa.UniqueConstraint("template_id", name="uq_pictures_template_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pictures_collection_id", "pictures", ["collection_id"])
    op.create_table(
        "strangers",
        sa.Column("id", row_id, nullable=False),
        sa.Column("subject_id", row_id, nullable=False),
        sa.Column("other_id", row_id, nullable=False),
        sa.Column("created_at", utc, nullable=False),
        _foreign("strangers", "subject_id", "subjects"),
        _foreign("strangers", "other_id", "subjects"),
        sa.PrimaryKeyConstraint("id", name="pk_strangers"),
        sa.UniqueConstraint("subject_id", "other_id", name="uq_strangers_subject_id_other_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_strangers_other_id", "strangers", ["other_id"])


def downgrade() -> None:
    for table in ("strangers", "pictures"):
        op.drop_table(table)
