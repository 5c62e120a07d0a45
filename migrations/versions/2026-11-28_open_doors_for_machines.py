"""open doors for machines: what providers bring, how their doors are spoken to.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "inbound_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("arrived_at", _INSTANT, nullable=False),
        sa.Column("occurred_at", _INSTANT, nullable=True),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("act", sa.SmallInteger(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("review", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opt_out", sa.Uuid(), nullable=True),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=True),
        sa.Column("subjects", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_events")),
    )
    op.create_index(
        "uq_inbound_events_channel_key", "inbound_events", ["channel", "key"], unique=True
    )
    op.create_index("ix_inbound_events_channel_id", "inbound_events", ["channel", "id"])
    op.create_index(
        "ix_inbound_events_subjects", "inbound_events", ["subjects"], postgresql_using="gin"
    )
    op.create_table(
        "inbound_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_inbound_tokens")),
    )
    op.create_index("ix_inbound_tokens_at", "inbound_tokens", ["at"])
    op.create_table(
        "inbound_doors",
        sa.Column("channel", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_at", _INSTANT, nullable=True),
        sa.Column("last_at", _INSTANT, nullable=True),
        sa.Column("longest_gap", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", _INSTANT, nullable=True),
        sa.Column("failed_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_inbound_doors")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "inbound_tallies",
        sa.Column("channel", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("channel", "outcome", "reason", name=op.f("pk_inbound_tallies")),
        postgresql_with={"fillfactor": 50},
    )
    op.execute("UPDATE schema_mark SET number = 12")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
