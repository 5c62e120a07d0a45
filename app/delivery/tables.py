"""The tables of delivery: where each database is reached, and what was tried."""

from datetime import datetime
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
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

_Instant = TIMESTAMP(timezone=True)


class EndpointRow(Base):
    """How a database is told: pushed to its URL or pulled, in which format, under which secrets.

    Its number is that of the database and of the journal's follower. Secrets are sealed. The
    retiring secret signs beside the current one until ``retiring_until``. ``on_poison`` says what
    becomes of an entry that the database refuses by itself: ``block`` or ``park``.
    """

    __tablename__ = "endpoints"

    database: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    mode: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    zone: Mapped[str | None] = mapped_column(Text)
    identifier_format: Mapped[str] = mapped_column(Text)
    signing_secret: Mapped[bytes] = mapped_column(LargeBinary)
    retiring_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    retiring_until: Mapped[datetime | None] = mapped_column(_Instant)
    identifier_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_error: Mapped[str | None] = mapped_column(Text)
    last_error_at: Mapped[datetime | None] = mapped_column(_Instant)
    on_poison: Mapped[str] = mapped_column(Text, server_default=text("'block'"))
    recall_url: Mapped[str | None] = mapped_column(Text)


class RecallLaneRow(Base):
    """How far a database's recalls are; there is a row where it has a ``recall_url``."""

    __tablename__ = "recall_lanes"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    database: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("endpoints.database", ondelete="CASCADE"), primary_key=True
    )
    after: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    lease_until: Mapped[datetime | None] = mapped_column(_Instant)


class AttemptRow(Base):
    """One request to a database, whatever came of it; kept for OPTOUT_ATTEMPTS_DAYS."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_database_id", "database", "id"),
        Index("ix_attempts_at", "at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(_Instant)
    previous: Mapped[int] = mapped_column(BigInteger)
    upto: Mapped[int] = mapped_column(BigInteger)
    entries: Mapped[int] = mapped_column(Integer)
    duration_ms: Mapped[int] = mapped_column(Integer)
    database: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text, server_default=text("'main'"))
