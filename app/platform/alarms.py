"""Alarms: what the operators must hear of, written in the transaction of what has happened.

They stand on the ground because rooms that do not know each other raise them: a database that
lags, a complaint at the desk, a door that is silent. The worker sends them to
``OPTOUT_OPERATIONS_URL``, signed, until they are taken; a commit that fails raises none.

What passes is an alarm alone (``raise_alarm``). What lasts is an incident, which is heard of once
when it begins, once at each level that it rises to, and once when it is healed.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base
from app.platform.ids import new_id

_Instant = TIMESTAMP(timezone=True)


class AlarmRow(Base):
    """One message to the operators, kept for a time after it was sent."""

    __tablename__ = "alarms"
    __table_args__ = (
        Index("ix_alarms_due_at", "due_at", postgresql_where=text("sent_at IS NULL")),
        Index("ix_alarms_at", "at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(_Instant)
    due_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    sent_at: Mapped[datetime | None] = mapped_column(_Instant)
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    type: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    error: Mapped[str | None] = mapped_column(Text)


class IncidentRow(Base):
    """What lasts: one row while it does, with the highest level that was heard of."""

    __tablename__ = "incidents"

    type: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    level: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(_Instant)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A message to the operators; ``tries`` counts the present one."""

    id: UUID
    at: datetime
    type: str
    data: dict[str, Any] = field(repr=False)
    tries: int


@dataclass(frozen=True, slots=True)
class Incident:
    """What lasts, and since when it was heard of."""

    type: str
    subject: str
    level: int
    since: datetime


async def raise_alarm(
    session: AsyncSession,
    type: str,  # noqa: A002 - the word of Standard Webhooks
    at: datetime,
    **data: object,
) -> None:
    """Let the operators hear of something: ``"complaint.recorded"``, and what a person must know.

    ``data`` is sent as JSON: never a contact point, never a secret.
    """
    session.add(AlarmRow(id=new_id(), at=at, type=type, data=data))
    await session.flush()


async def open_incident(
    session: AsyncSession,
    type: str,  # noqa: A002 - as above
    subject: str,
    at: datetime,
    *,
    level: int = 0,
    **data: object,
) -> bool:
    """Raise an alarm about what lasts, unless it was heard of already, at this level or higher.

    Returns:
        Whether the operators hear of it now.
    """
    opened = await session.scalar(
        text("""
            INSERT INTO incidents (type, subject, level, since)
            VALUES (:type, :subject, :level, :at)
            ON CONFLICT (type, subject) DO UPDATE SET level = excluded.level
            WHERE incidents.level < excluded.level RETURNING true
        """),
        {"type": type, "subject": subject, "level": level, "at": at},
    )
    if opened:
        await raise_alarm(session, type, at, **data)
    return bool(opened)


async def heal_incident(
    session: AsyncSession,
    type: str,  # noqa: A002 - as above
    subject: str,
    at: datetime,
    *,
    healed: str,
    **data: object,
) -> bool:
    """End what lasted, and let the operators hear of it by an alarm of type ``healed``.

    Returns:
        Whether it lasted until now.
    """
    since = await session.scalar(
        text("DELETE FROM incidents WHERE type = :type AND subject = :subject RETURNING since"),
        {"type": type, "subject": subject},
    )
    if since is None:
        return False
    lasted = max(0, round((at - since).total_seconds()))
    await raise_alarm(session, healed, at, **data, lasted_seconds=lasted)
    return True


async def drop_incidents(session: AsyncSession, subject: str) -> None:
    """Forget what lasts about something that is no more; nobody hears of it."""
    await session.execute(
        text("DELETE FROM incidents WHERE subject = :subject"), {"subject": subject}
    )


async def read_incidents(
    session: AsyncSession, subjects: Collection[str] | None = None
) -> list[Incident]:
    """List what lasts about some subjects, or all, the oldest first."""
    rows = await session.execute(
        text("""
            SELECT type, subject, level, since FROM incidents
            WHERE CAST(:subjects AS text[]) IS NULL OR subject = ANY(:subjects)
            ORDER BY since, type, subject
        """),
        {"subjects": None if subjects is None else list(subjects)},
    )
    return [Incident(row.type, row.subject, row.level, row.since) for row in rows]


async def count_waiting(session: AsyncSession) -> int:
    """Count the alarms that nobody has taken yet."""
    waiting = text("SELECT count(*) FROM alarms WHERE sent_at IS NULL")
    return int(await session.scalar(waiting) or 0)


async def take_alarm(session: AsyncSession, *, wait: timedelta) -> Alarm | None:
    """Take the oldest alarm that is due; unless noted as sent, it is due again after a wait."""
    row = (
        await session.execute(
            text("""
                UPDATE alarms SET tries = tries + 1, due_at = now() + :wait
                WHERE id = (
                    SELECT id FROM alarms WHERE sent_at IS NULL AND due_at <= now()
                    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
                ) RETURNING id, at, type, data, tries
            """),
            {"wait": wait},
        )
    ).one_or_none()
    return None if row is None else Alarm(row.id, row.at, row.type, row.data, row.tries)


async def note_sent(session: AsyncSession, alarm: Alarm) -> None:
    """Note that an alarm was taken."""
    await session.execute(
        text("UPDATE alarms SET sent_at = now(), error = NULL WHERE id = :id"), {"id": alarm.id}
    )


async def note_failed(session: AsyncSession, alarm: Alarm, *, error: str, wait: timedelta) -> None:
    """Note that an alarm was not taken, and plan the next try."""
    await session.execute(
        text("UPDATE alarms SET due_at = now() + :wait, error = :error WHERE id = :id"),
        {"id": alarm.id, "wait": wait, "error": error},
    )


async def forget_alarms(session: AsyncSession, *, before: datetime, most: int = 10_000) -> int:
    """Delete the oldest alarms, at most so many at once; tells how many."""
    deleted = await session.execute(
        text("""
            DELETE FROM alarms WHERE id IN (
                SELECT id FROM alarms WHERE at < :before ORDER BY at LIMIT :most
            ) RETURNING id
        """),
        {"before": before, "most": most},
    )
    return len(deleted.all())
