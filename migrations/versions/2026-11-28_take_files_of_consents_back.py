"""take files of consents back: what each brought, and which was a mistake.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_import_records",
        sa.Column("job", sa.Uuid(), nullable=False),
        sa.Column("record", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_contact_import_records_job")),
        sa.PrimaryKeyConstraint("job", "record", name=op.f("pk_contact_import_records")),
    )
    op.create_table(
        "contact_import_voids",
        sa.Column("job", sa.Uuid(), nullable=False),
        sa.Column("void", sa.Uuid(), nullable=False),
        sa.Column("voided_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("voided_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_contact_import_voids_job")),
        sa.ForeignKeyConstraint(["void"], ["jobs.id"], name=op.f("fk_contact_import_voids_void")),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_contact_import_voids")),
    )
    op.execute("UPDATE schema_mark SET number = 19")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
