"""recall contacts: where a database is told of them, how far it is, what it took out of its queues.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("recall_url", sa.Text(), nullable=True))
    op.create_table(
        "recall_lanes",
        sa.Column("database", sa.SmallInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", _INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["database"],
            ["endpoints.database"],
            name=op.f("fk_recall_lanes_database"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("database", name=op.f("pk_recall_lanes")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "recalled",
        sa.Column("follower", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("contacts_cancelled", sa.Integer(), nullable=False),
        sa.Column("told_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("follower", "position", name=op.f("pk_recalled")),
    )
    op.execute("UPDATE schema_mark SET number = 9")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
