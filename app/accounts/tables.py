"""The tables of people: users, their sessions, the tickets that let them in, failed tries."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

_Instant = TIMESTAMP(timezone=True)


class UserRow(Base):
    """A person who may sign in; ``channel`` is the one they record as, by its number.

    With ``party`` instead they record as any channel of that party.
    ``code_step``: the last half-minute whose code was taken, so that none is taken twice.
    ``new_second_factor`` waits for its first code.
    """

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("login = lower(login)", name="login_is_lower"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    login: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[int] = mapped_column(SmallInteger)
    channel: Mapped[int | None] = mapped_column(SmallInteger, ForeignKey("channels.id"))
    party: Mapped[int | None] = mapped_column(SmallInteger, ForeignKey("parties.id"))
    password: Mapped[str | None] = mapped_column(Text)
    second_factor: Mapped[bytes | None] = mapped_column(LargeBinary)
    new_second_factor: Mapped[bytes | None] = mapped_column(LargeBinary)
    code_step: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(_Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(_Instant)
    signed_in_at: Mapped[datetime | None] = mapped_column(_Instant)


class SessionRow(Base):
    """A browser that is signed in, known by the SHA-256 of its token.

    ``whole`` is false until the second factor was given, where one is needed.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user", "user_id"), Index("ix_sessions_ends", "ends_at"))

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, unique=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    whole: Mapped[bool]
    began_at: Mapped[datetime] = mapped_column(_Instant)
    seen_at: Mapped[datetime] = mapped_column(_Instant)
    ends_at: Mapped[datetime] = mapped_column(_Instant)
    browser: Mapped[str] = mapped_column(Text)


class TicketRow(Base):
    """An invitation or a reset: whoever holds its text may choose the password, once."""

    __tablename__ = "tickets"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"), index=True)
    issued_at: Mapped[datetime] = mapped_column(_Instant)
    ends_at: Mapped[datetime] = mapped_column(_Instant)


class TriesRow(Base):
    """How often something was tried in one window of time; ``what`` is a digest."""

    __tablename__ = "tries"
    __table_args__ = (Index("ix_tries_ends", "ends_at"),)

    what: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(_Instant)
    count: Mapped[int] = mapped_column(Integer)
