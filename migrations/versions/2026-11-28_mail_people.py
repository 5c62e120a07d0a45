"""mail people: an outbox; and let somebody sign in for all channels of a party.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "due_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_due_at", "mails", ["due_at"], unique=False)
    op.add_column("users", sa.Column("party", sa.SmallInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_users_party"), "users", "parties", ["party"], ["id"])
    op.execute("UPDATE schema_mark SET number = 11")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
