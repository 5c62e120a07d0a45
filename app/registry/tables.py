"""The tables of the truth: grounds, what lifted them, and the suppressions derived from them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

_Instant = TIMESTAMP(timezone=True)


class Ground(Base):
    """What one opt-out, or one line of an import, lays on one contact point.

    ``opt_out`` is the record's id: the opt-out's, or the import's where ``line`` is set. It stands
    for ``media`` less ``lifted``, unless it is voided. Brand 0 is every brand.
    """

    __tablename__ = "grounds"
    __table_args__ = (
        Index("ix_grounds_point_occurred_at", "point", "occurred_at"),
        Index("ix_grounds_opt_out_id", "opt_out", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    point: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact_points.id"))
    position: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime] = mapped_column(_Instant)
    voided_at: Mapped[datetime | None] = mapped_column(_Instant)
    line: Mapped[int | None] = mapped_column(BigInteger)
    opt_out: Mapped[UUID] = mapped_column(Uuid)
    brand: Mapped[int] = mapped_column(SmallInteger)
    channel: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    lifted: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    reason: Mapped[int] = mapped_column(SmallInteger)
    verified: Mapped[bool] = mapped_column(server_default=text("true"))


class Suppression(Base):
    """The union of the standing grounds of one contact point and brand; derived, never edited.

    ``since`` is when the oldest standing ground occurred, null where nothing is suppressed;
    ``told`` holds all media that an entry about it ever named.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        Index("ix_suppressions_position", "position", unique=True),
        {"postgresql_with": {"fillfactor": 90}},
    )

    point: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("contact_points.id"), primary_key=True
    )
    brand: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    media: Mapped[int] = mapped_column(SmallInteger)
    told: Mapped[int] = mapped_column(SmallInteger)
    version: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime | None] = mapped_column(_Instant)
    position: Mapped[int] = mapped_column(BigInteger)


class Reinstatement(Base):
    """A later, positive act of the person that lifts what occurred before it.

    ``narrow``: it took back what the person had laid by the same door, and nothing that arrives
    later.
    """

    __tablename__ = "reinstatements"
    __table_args__ = (Index("ix_reinstatements_point", "point"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    point: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact_points.id"))
    brand: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    channel: Mapped[int] = mapped_column(SmallInteger)
    key: Mapped[int] = mapped_column(Integer)
    occurred_at: Mapped[datetime] = mapped_column(_Instant)
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    narrow: Mapped[bool] = mapped_column(server_default=text("false"))
