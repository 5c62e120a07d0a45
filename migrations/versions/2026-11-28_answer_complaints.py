"""answer complaints: when, and by whom; those that wait are found by an index of their own.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = postgresql.TIMESTAMP(timezone=True)
    op.add_column("opt_outs", sa.Column("answered_at", instant, nullable=True))
    op.add_column("opt_outs", sa.Column("answered_by", sa.Text(), nullable=True))
    op.create_index(
        "ix_opt_outs_complaints",
        "opt_outs",
        ["id"],
        postgresql_where=sa.text("reason = 3 AND answered_at IS NULL AND voided_at IS NULL"),
    )
    op.execute("UPDATE schema_mark SET number = 16")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
