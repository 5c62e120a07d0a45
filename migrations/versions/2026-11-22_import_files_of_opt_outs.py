"""import files of opt-outs: each a record, with the rows that it refused, and lines of grounds.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("occurred_at", _INSTANT, nullable=False),
        sa.Column("voided_at", _INSTANT, nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("brand", sa.SmallInteger(), nullable=False),
        sa.Column("media", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("dated", sa.Boolean(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column(
            "mapping", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "layout", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("filename", sa.LargeBinary(), nullable=True),
        sa.Column("voided_by", sa.Text(), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.Column("void_job", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_channel_sha256", "imports", ["channel", "sha256"])
    op.create_index("ix_imports_channel_id", "imports", ["channel", "id"])
    op.create_table(
        "import_refusals",
        sa.Column("import", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import"], ["imports.id"], name=op.f("fk_import_refusals_import")),
        sa.PrimaryKeyConstraint("import", "number", name=op.f("pk_import_refusals")),
    )
    op.add_column("grounds", sa.Column("line", sa.BigInteger(), nullable=True))
    op.execute("UPDATE schema_mark SET number = 5")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
