"""cover brands by the law: what the checks of each look at.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("brands", sa.Column("coverage", sa.Text(), nullable=True))
    op.create_check_constraint("coverage", "brands", "coverage IN ('suppressions', 'law')")
    op.create_index(
        "ix_brands_coverage",
        "brands",
        ["id", "coverage"],
        postgresql_where=sa.text("coverage IS NOT NULL"),
    )
    op.execute("UPDATE schema_mark SET number = 15")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
