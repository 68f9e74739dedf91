"""When a template's picture was taken, and in which light"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("templates", sa.Column("spectrum", sa.String(8), server_default="visible", nullable=False))
    op.add_column("templates", sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("templates", "captured_at")
    op.drop_column("templates", "spectrum")
