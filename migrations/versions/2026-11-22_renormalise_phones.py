"""renormalise phones: know by which tables they were read, and what was merged into which.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from app.identifiers import PHONE_TABLES
from app.journal import Kind

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merged_points",
        sa.Column("point", sa.BigInteger(), nullable=False),
        sa.Column("into_point", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["into_point"], ["contact_points.id"], name=op.f("fk_merged_points_into_point")
        ),
        sa.ForeignKeyConstraint(
            ["point"], ["contact_points.id"], name=op.f("fk_merged_points_point")
        ),
        sa.PrimaryKeyConstraint("point", name=op.f("pk_merged_points")),
    )
    op.create_index("ix_merged_points_into_point", "merged_points", ["into_point"])
    op.create_table(
        "phone_tables",
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_phone_tables")),
    )
    # Nobody wrote down by which tables the phones were read that are there already.
    op.execute(
        sa.text(
            "INSERT INTO phone_tables (number, version) SELECT 1, CASE WHEN EXISTS "
            "(SELECT FROM contact_points WHERE kind = :phone) THEN '' ELSE :version END"
        ).bindparams(phone=int(Kind.PHONE), version=PHONE_TABLES)
    )
    op.execute("UPDATE schema_mark SET number = 8")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
