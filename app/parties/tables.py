"""The tables of those who take part.

The small ones are never deleted from: rows of other rooms hold their numbers, and a receipt must
name its channel for as long as it is kept. Their numbers are small integers, so nothing may
waste them: an insert that would be refused is seen beforehand (an identity column does not give
a number back).
"""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

Coverage = Literal["suppressions", "law"]
"""What a check looks at."""


class BrandRow(Base):
    """A brand that people know and may object to on its own; coverage null: as the setting."""

    __tablename__ = "brands"
    __table_args__ = (
        CheckConstraint("coverage IN ('suppressions', 'law')", name="coverage"),
        # Every check reads which brands have one of their own; few do.
        Index(
            "ix_brands_coverage", "id", "coverage", postgresql_where=text("coverage IS NOT NULL")
        ),
    )

    id: Mapped[int] = mapped_column(SmallInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    coverage: Mapped[Coverage | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PartyRow(Base):
    """A department, subcontractor or supplier: who answers for a channel or a database."""

    __tablename__ = "parties"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    country: Mapped[str] = mapped_column(Text)
    contact_email: Mapped[str] = mapped_column(Text)
    contract_reference: Mapped[str | None] = mapped_column(Text)
    contract_signed_on: Mapped[date | None] = mapped_column(Date)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ChannelRow(Base):
    """Where opt-outs come from; ``inbound`` is how a provider speaks to it, if one does."""

    __tablename__ = "channels"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    party: Mapped[int] = mapped_column(SmallInteger, ForeignKey("parties.id"))
    inbound: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    inbound_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DatabaseRow(Base):
    """A registered prospecting database; a deleted one gives its slug back, never its number."""

    __tablename__ = "databases"
    __table_args__ = (
        Index(
            "uq_databases_slug_live",
            "slug",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(SmallInteger, Identity(always=True), primary_key=True)
    slug: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    party: Mapped[int] = mapped_column(SmallInteger, ForeignKey("parties.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class KeyRow(Base):
    """A key of the API, known by the SHA-256 of its text."""

    __tablename__ = "keys"
    __table_args__ = (CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),)

    number: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, unique=True)
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    channel: Mapped[int | None] = mapped_column(SmallInteger, ForeignKey("channels.id"))
    database: Mapped[int | None] = mapped_column(SmallInteger, ForeignKey("databases.id"))
    requests_per_second: Mapped[int | None] = mapped_column(Integer)
    checks_per_day: Mapped[int | None] = mapped_column(BigInteger)
    rows_per_day: Mapped[int | None] = mapped_column(BigInteger)
    snapshots_per_day: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class KeyUsageRow(Base):
    """What a key has used on a day (UTC), over all processes: checks, rows scrubbed, snapshots.

    ``alarmed`` names those of the three that were told to be far beyond the key's own past.
    """

    __tablename__ = "key_usage"

    key: Mapped[int] = mapped_column(Integer, ForeignKey("keys.number"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    checked: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    rows: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    snapshots: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    alarmed: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))


class AuditRow(Base):
    """Who changed what, or read in bulk. Never holds a contact point.

    A trigger refuses whoever would change a row or take one away. Each filter has an index that
    gives its rows in the order of the list.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_at_id", "at", "id"),
        Index("ix_audit_actor_at_id", "actor", "at", "id"),
        Index("ix_audit_action_at_id", "action", "at", "id"),
        Index("ix_audit_subject_at_id", "subject", "at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
