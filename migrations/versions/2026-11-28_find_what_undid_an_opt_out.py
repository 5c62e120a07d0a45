"""find what undid an opt-out: the few entries that lifted or erased, by their contact point.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_journal_entries_undoing",
        "journal_entries",
        ["point", "position"],
        postgresql_where=sa.text("change <> 1"),
    )
    op.execute("UPDATE schema_mark SET number = 18")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
