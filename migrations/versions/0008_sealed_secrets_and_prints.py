"""Secrets of webhooks as bytes, so that they can be sealed; what the pictures of a visit looked like"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("visits", sa.Column("presented_as", sa.String(16), nullable=True))
    op.add_column("webhooks", sa.Column("signing_secret", sa.LargeBinary(), nullable=True))
    postgres = op.get_bind().dialect.name == "postgresql"
    raw = "convert_to(secret, 'UTF8')" if postgres else "CAST(secret AS BLOB)"
    op.execute(f"UPDATE webhooks SET signing_secret = {raw}")
    op.drop_column("webhooks", "secret")


def downgrade() -> None:
    op.add_column("webhooks", sa.Column("secret", sa.String(64), server_default="", nullable=False))
    # A secret that is sealed cannot be told without its key: such a webhook sends nothing until it has a new one.
    postgres = op.get_bind().dialect.name == "postgresql"
    plain = "get_byte(signing_secret, 0) < 128" if postgres else "substr(signing_secret, 1, 1) <> X'FF'"
    text = "convert_from(signing_secret, 'UTF8')" if postgres else "CAST(signing_secret AS TEXT)"
    op.execute(f"UPDATE webhooks SET secret = {text} WHERE {plain}")
    op.execute(f"UPDATE webhooks SET enabled = {'false' if postgres else '0'} WHERE secret = ''")
    op.drop_column("webhooks", "signing_secret")
    op.drop_column("visits", "presented_as")
