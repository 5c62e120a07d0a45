"""meter bulk reads: quotas of rows and snapshots, an audit nobody edits, keys that retire.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FILTERS = ("actor", "action", "subject")


def upgrade() -> None:
    op.add_column("keys", sa.Column("rows_per_day", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("snapshots_per_day", sa.Integer(), nullable=True))
    op.alter_column("key_usage", "checked", server_default=sa.text("0"))
    for meter in ("rows", "snapshots"):
        op.add_column(
            "key_usage",
            sa.Column(meter, sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        )
    op.add_column(
        "key_usage",
        sa.Column(
            "alarmed", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column("key_check", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_audit_at_id", "audit", ["at", "id"])
    op.drop_index("ix_audit_at", table_name="audit")
    for column in _FILTERS:
        op.create_index(f"ix_audit_{column}_at_id", "audit", [column, "at", "id"])
    op.execute(
        "CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME "
        "USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    op.execute(
        "CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
    )
    op.execute("UPDATE schema_mark SET number = 2")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
