"""Receipts of erasures, and runs of the retention clock"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
utc = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", row_id, nullable=False),
        sa.Column("public_id", sa.String(36), nullable=False),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("templates", sa.JSON(), nullable=False),
        sa.Column("erased_at", utc, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
        sa.UniqueConstraint("public_id", name="uq_receipts_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_receipts_subject", "receipts", ["subject"])
    op.create_table(
        "retention_runs",
        sa.Column("id", row_id, nullable=False),
        sa.Column("ran_at", utc, nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_retention_runs"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for table in ("retention_runs", "receipts"):
        op.drop_table(table)
