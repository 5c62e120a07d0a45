"""The tables of what arrived: opt-outs with their evidence, erasures, files, providers' events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

_Instant = TIMESTAMP(timezone=True)


class OptOutRow(Base):
    """One opt-out as it arrived; the contact points stand with its grounds.

    ``reference``, ``recorded_by``, ``evidence`` and ``void_reason`` are what an erasure destroys
    here.
    """

    __tablename__ = "opt_outs"
    __table_args__ = (
        Index(
            "uq_opt_outs_channel_reference",
            "channel",
            "reference",
            unique=True,
            postgresql_where=text("reference IS NOT NULL"),
        ),
        Index("ix_opt_outs_channel_id", "channel", "id"),
        Index(
            "ix_opt_outs_complaints",
            "id",
            postgresql_where=text("reason = 3 AND answered_at IS NULL AND voided_at IS NULL"),
        ),
        Index(
            "ix_opt_outs_user_id_id",
            "user_id",
            "id",
            postgresql_where=text("user_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    occurred_at: Mapped[datetime] = mapped_column(_Instant)
    voided_at: Mapped[datetime | None] = mapped_column(_Instant)
    key: Mapped[int] = mapped_column(Integer)
    channel: Mapped[int] = mapped_column(SmallInteger)
    brand: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[int] = mapped_column(SmallInteger)
    recorded_by: Mapped[str | None] = mapped_column(Text)
    reference: Mapped[str | None] = mapped_column(Text)
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    voided_by: Mapped[str | None] = mapped_column(Text)
    void_reason: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    door: Mapped[int | None] = mapped_column(SmallInteger)
    answered_at: Mapped[datetime | None] = mapped_column(_Instant)
    answered_by: Mapped[str | None] = mapped_column(Text)


class LinkRevocationRow(Base):
    """That no preference link counts any more that was issued before a time."""

    __tablename__ = "link_revocations"

    before: Mapped[datetime] = mapped_column(_Instant, primary_key=True)


class ErasureRow(Base):
    """A request to be forgotten; open until the sealed values are destroyed."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index("ix_erasures_open", "id", postgresql_where=text("completed_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    completed_at: Mapped[datetime | None] = mapped_column(_Instant)
    key: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str | None] = mapped_column(Text)


class ErasurePoint(Base):
    """A contact point that an erasure is about."""

    __tablename__ = "erasure_points"

    erasure: Mapped[UUID] = mapped_column(Uuid, ForeignKey("erasures.id"), primary_key=True)
    point: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("contact_points.id"), primary_key=True
    )


class ImportRow(Base):
    """A file of opt-outs as it was sent: one record, for whose lines its grounds stand.

    Its id is that of its job. ``dated`` says that ``occurred_at`` was given, not the time of the
    recording; ``layout`` and ``mapping`` are what its columns were read as; ``filename`` is
    sealed, since it may name a person.
    """

    __tablename__ = "imports"
    __table_args__ = (
        Index("ix_imports_channel_sha256", "channel", "sha256"),
        Index("ix_imports_channel_id", "channel", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    occurred_at: Mapped[datetime] = mapped_column(_Instant)
    voided_at: Mapped[datetime | None] = mapped_column(_Instant)
    position: Mapped[int | None] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[int] = mapped_column(Integer)
    channel: Mapped[int] = mapped_column(SmallInteger)
    brand: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[int] = mapped_column(SmallInteger)
    dated: Mapped[bool]
    dry_run: Mapped[bool]
    region: Mapped[str] = mapped_column(Text)
    mapping: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    layout: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    filename: Mapped[bytes | None] = mapped_column(LargeBinary)
    voided_by: Mapped[str | None] = mapped_column(Text)
    void_reason: Mapped[str | None] = mapped_column(Text)
    void_job: Mapped[UUID | None] = mapped_column(Uuid)


class ImportRefusal(Base):
    """A row of a file that was refused whole: in which column, what stood there, masked, and why.

    ``number`` is the row's own, from 1.
    """

    __tablename__ = "import_refusals"

    import_id: Mapped[UUID] = mapped_column(
        "import", Uuid, ForeignKey("imports.id"), primary_key=True
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(BigInteger)
    column: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)


class InboundEventRow(Base):
    """One event that a provider brought, but for those that say nothing or came before.

    ``key`` is a keyed digest of the provider's own id, ``fields`` what the dialect read, sealed,
    ``request`` the SHA-256 of the whole request as it came. ``subjects`` are the keyed digests of
    its contact points, by which an erasure finds it; it takes ``fields`` and them away.
    """

    __tablename__ = "inbound_events"
    __table_args__ = (
        Index("uq_inbound_events_channel_key", "channel", "key", unique=True),
        Index("ix_inbound_events_channel_id", "channel", "id"),
        Index("ix_inbound_events_subjects", "subjects", postgresql_using="gin"),
        Index(
            "ix_inbound_events_to_review",
            "id",
            postgresql_where=text("review AND reviewed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    arrived_at: Mapped[datetime] = mapped_column(_Instant)
    occurred_at: Mapped[datetime | None] = mapped_column(_Instant)
    channel: Mapped[int] = mapped_column(SmallInteger)
    act: Mapped[int] = mapped_column(SmallInteger)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    review: Mapped[bool] = mapped_column(server_default=text("false"))
    dialect: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    opt_out: Mapped[UUID | None] = mapped_column(Uuid)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    fields: Mapped[bytes | None] = mapped_column(LargeBinary)
    subjects: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    reviewed_at: Mapped[datetime | None] = mapped_column(_Instant)
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    voided: Mapped[bool | None]


class InboundToken(Base):
    """A signature that does not cover its body: the same again counts with the very same body."""

    __tablename__ = "inbound_tokens"
    __table_args__ = (Index("ix_inbound_tokens_at", "at"),)

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    request: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(_Instant)


class InboundConfirmation(Base):
    """That somebody was told once, by a channel, that they are heard; a keyed digest of both."""

    __tablename__ = "inbound_confirmations"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    at: Mapped[datetime] = mapped_column(_Instant)


class InboundDoor(Base):
    """How a channel's door is spoken to: since when, how steadily, and what it turns away.

    ``longest_gap`` is in seconds, between two requests that were let in. ``failures`` counts the
    signatures refused since ``failing_since``, the beginning of the present burst.
    """

    __tablename__ = "inbound_doors"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    channel: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    requests: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    first_at: Mapped[datetime | None] = mapped_column(_Instant)
    last_at: Mapped[datetime | None] = mapped_column(_Instant)
    longest_gap: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    failures: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    failing_since: Mapped[datetime | None] = mapped_column(_Instant)
    failed_at: Mapped[datetime | None] = mapped_column(_Instant)


class InboundTally(Base):
    """How often a door's events, or whole requests, came to one end, for one reason."""

    __tablename__ = "inbound_tallies"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    channel: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    outcome: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime] = mapped_column(_Instant)
