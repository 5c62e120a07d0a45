"""review what people said in other words; confirm once.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("inbound_events", sa.Column("reviewed_at", _INSTANT, nullable=True))
    op.add_column("inbound_events", sa.Column("reviewed_by", sa.Text(), nullable=True))
    op.add_column("inbound_events", sa.Column("voided", sa.Boolean(), nullable=True))
    op.create_index(
        "ix_inbound_events_to_review",
        "inbound_events",
        ["id"],
        postgresql_where=sa.text("review AND reviewed_at IS NULL"),
    )
    op.create_table(
        "inbound_confirmations",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_inbound_confirmations")),
    )
    op.execute("UPDATE schema_mark SET number = 14")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
