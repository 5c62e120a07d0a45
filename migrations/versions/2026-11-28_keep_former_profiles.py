"""keep former profiles: a past moment is judged by who somebody was known to be then.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "contact_profile_versions",
        sa.Column("point", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("superseded_at", _INSTANT, nullable=False),
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("audience", sa.SmallInteger(), nullable=False),
        sa.Column("sole_trader", sa.Boolean(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column(
            "fits", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["point"], ["contact_points.id"], name=op.f("fk_contact_profile_versions_point")
        ),
        sa.PrimaryKeyConstraint("point", "recorded_at", name=op.f("pk_contact_profile_versions")),
    )
    op.create_index(
        "ix_contact_profile_versions_superseded_at", "contact_profile_versions", ["superseded_at"]
    )
    op.execute("UPDATE schema_mark SET number = 17")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
