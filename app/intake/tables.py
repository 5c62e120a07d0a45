"""The tables of what arrived: opt-outs with their evidence, and requests to be erased."""

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
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
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
