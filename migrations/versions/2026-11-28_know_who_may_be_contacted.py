"""know who may be contacted: consents, withdrawals, contracts, attempts, profiles.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "consent_wordings",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_wordings")),
    )
    op.create_index(
        "uq_consent_wordings_sha256_version", "consent_wordings", ["sha256", "version"], unique=True
    )
    op.create_table(
        "contact_objects",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_objects")),
        sa.UniqueConstraint("name", name=op.f("uq_contact_objects_name")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("given_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=True),
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("object", sa.Integer(), nullable=False),
        sa.Column("wording", sa.Integer(), nullable=False),
        sa.Column("given_offset", sa.SmallInteger(), nullable=False),
        sa.Column("brand", sa.SmallInteger(), nullable=False),
        sa.Column("medium", sa.SmallInteger(), nullable=False),
        sa.Column("mentions", sa.SmallInteger(), nullable=False),
        sa.Column("positive_act", sa.SmallInteger(), nullable=False),
        sa.Column("proof", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=True),
        sa.Column("collected_by", sa.SmallInteger(), nullable=True),
        sa.Column("called_by", sa.SmallInteger(), nullable=True),
        sa.Column("slots", postgresql.ARRAY(_INSTANT), nullable=True),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["object"], ["contact_objects.id"], name=op.f("fk_consents_object")
        ),
        sa.ForeignKeyConstraint(["point"], ["contact_points.id"], name=op.f("fk_consents_point")),
        sa.ForeignKeyConstraint(
            ["wording"], ["consent_wordings.id"], name=op.f("fk_consents_wording")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index("ix_consents_brand_id", "consents", ["brand", "id"])
    op.create_index(
        "ix_consents_evidence_given_at",
        "consents",
        ["given_at"],
        postgresql_where=sa.text("evidence IS NOT NULL"),
    )
    op.create_index(
        "uq_consents_said",
        "consents",
        ["point", "given_at", "expires_at", "object", "wording", "brand", "medium", "proof"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "contact_attempts",
        sa.Column("point", sa.BigInteger(), nullable=False),
        sa.Column("medium", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("attempted_at", _INSTANT, nullable=False),
        sa.Column("brand", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("party", sa.SmallInteger(), nullable=True),
        sa.Column("channel", sa.SmallInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["point"], ["contact_points.id"], name=op.f("fk_contact_attempts_point")
        ),
        sa.PrimaryKeyConstraint(
            "point", "medium", "attempted_at", "brand", name=op.f("pk_contact_attempts")
        ),
    )
    op.create_index(
        "ix_contact_attempts_attempted_at",
        "contact_attempts",
        ["attempted_at"],
        postgresql_using="brin",
    )
    op.create_table(
        "contact_profiles",
        sa.Column("point", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
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
            ["point"], ["contact_points.id"], name=op.f("fk_contact_profiles_point")
        ),
        sa.PrimaryKeyConstraint("point", name=op.f("pk_contact_profiles")),
    )
    op.create_table(
        "contracts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("object", sa.Integer(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("brand", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=True),
        sa.Column("opt_out_offered", sa.Boolean(), nullable=False),
        sa.Column("reference", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["object"], ["contact_objects.id"], name=op.f("fk_contracts_object")
        ),
        sa.ForeignKeyConstraint(["point"], ["contact_points.id"], name=op.f("fk_contracts_point")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
    )
    op.create_index(
        "uq_contracts_point_brand_object_from_on",
        "contracts",
        ["point", "brand", "object", "from_on"],
        unique=True,
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("point", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", _INSTANT, nullable=False),
        sa.Column("voided_at", _INSTANT, nullable=True),
        sa.Column("record", sa.Uuid(), nullable=False),
        sa.Column("brand", sa.SmallInteger(), nullable=False),
        sa.Column("media", sa.SmallInteger(), nullable=False),
        sa.Column("lifted", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["point"], ["contact_points.id"], name=op.f("fk_withdrawals_point")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
    )
    op.create_index("ix_withdrawals_point_occurred_at", "withdrawals", ["point", "occurred_at"])
    op.create_index("ix_withdrawals_record", "withdrawals", ["record"])
    op.create_table(
        "consent_copies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consent", sa.Uuid(), nullable=False),
        sa.Column("requested_at", _INSTANT, nullable=False),
        sa.Column("key", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent"], ["consents.id"], name=op.f("fk_consent_copies_consent")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_copies")),
    )
    op.create_index("ix_consent_copies_consent", "consent_copies", ["consent"])
    op.create_table(
        "contact_refusals",
        sa.Column("job", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_contact_refusals_job")),
        sa.PrimaryKeyConstraint("job", "number", name=op.f("pk_contact_refusals")),
    )
    op.execute("UPDATE schema_mark SET number = 13")


def downgrade() -> None:
    raise NotImplementedError("schemas only go forward: restore a backup instead")
