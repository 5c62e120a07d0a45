"""raise alarms: what operators hear of, what lasts, and since when a follower can owe anything.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("due_at", _INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", _INSTANT, nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index(
        "ix_alarms_due_at", "alarms", ["due_at"], postgresql_where=sa.text("sent_at IS NULL")
    )
    op.create_index("ix_alarms_at", "alarms", ["at"])
    op.create_table(
        "incidents",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("type", "subject", name=op.f("pk_incidents")),
    )
    op.add_column(
        "followers",
        sa.Column("begun_at", _INSTANT, server_default=sa.text("now()"), nullable=False),
    )
    op.execute("UPDATE schema_mark SET number = 7")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
