"""tell live entries early: an express lane for each follower, parked entries, who holds a lease.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_index(
        "ix_journal_entries_live",
        "journal_entries",
        [sa.literal_column("(position + 0)")],
        postgresql_where=sa.text("lane = 1"),
    )
    op.add_column("followers", sa.Column("worker", sa.Integer(), nullable=True))
    op.add_column(
        "followers",
        sa.Column("refused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_table(
        "express_lanes",
        sa.Column("follower", sa.SmallInteger(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("batch_limit", sa.Integer(), server_default=sa.text("500"), nullable=False),
        sa.Column("due_at", _INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("holder", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", _INSTANT, nullable=True),
        sa.Column("worker", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["follower"],
            ["followers.id"],
            name=op.f("fk_express_lanes_follower"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("follower", name=op.f("pk_express_lanes")),
        postgresql_with={"fillfactor": 50},
    )
    op.execute(
        "INSERT INTO express_lanes (follower, told) "
        "SELECT id, greatest(scanned, acknowledged) FROM followers"
    )
    op.create_table(
        "early_acknowledgements",
        sa.Column("follower", sa.SmallInteger(), nullable=False),
        sa.Column("generation", sa.SmallInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "follower", "generation", "upto", name=op.f("pk_early_acknowledgements")
        ),
    )
    op.create_index(
        "ix_early_acknowledgements_follower_at", "early_acknowledgements", ["follower", "at"]
    )
    op.create_table(
        "parked_entries",
        sa.Column("follower", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("parked_at", _INSTANT, nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["follower"],
            ["followers.id"],
            name=op.f("fk_parked_entries_follower"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("follower", "position", name=op.f("pk_parked_entries")),
    )
    op.add_column(
        "endpoints",
        sa.Column("on_poison", sa.Text(), server_default=sa.text("'block'"), nullable=False),
    )
    op.add_column(
        "attempts", sa.Column("lane", sa.Text(), server_default=sa.text("'main'"), nullable=False)
    )
    op.execute("UPDATE schema_mark SET number = 3")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
