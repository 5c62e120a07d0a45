"""find the grounds of a file in order, so that voiding it goes on where it was.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_grounds_opt_out_id", "grounds", ["opt_out", "id"])
    op.drop_index("ix_grounds_opt_out", table_name="grounds")
    op.execute("UPDATE schema_mark SET number = 6")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
