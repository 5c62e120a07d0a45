"""Opt-outs: taken with their evidence, found again, voided when they were a mistake."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import eq, ge, lt
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.functions import coalesce

from app.contacts import void_withdrawals
from app.journal import Media, Reason
from app.parties import note
from app.platform.problems import FieldError, Problem
from app.platform.refusals import NotFound
from app.points import lock_point_ids
from app.registry import grounds_laid_by, void_grounds

from .tables import OptOutRow

AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""
_DISORDER = timedelta(hours=1)
"""How far the time in an id may lie from the recording: more than a transaction takes."""


class ReferenceReused(Problem):
    """The channel used this reference for another opt-out. Nothing was recorded.

    A reference names one opt-out; give a new one, or send the first request again as it was.
    """

    type = "reference-reused"
    title = "The reference belongs to another opt-out"
    status = 409


class InTheFuture(Problem):
    """The time lies more than five minutes ahead. Nothing was recorded.

    Check the sender's clock and its time zone, or leave the time out to mean now.
    """

    type = "in-the-future"
    title = "That time has not come yet"
    status = 422


@dataclass(frozen=True, slots=True)
class OptOut:
    """An opt-out as it was taken; ``brand`` 0 is every brand, ``key`` 0 that no key brought it.

    ``user`` is who recorded it in the console, ``door`` by which page a person themselves did.
    ``verified`` is false where nothing proves that it is their contact point. A complaint that
    nobody waits for an answer to was answered when it was recorded.
    """

    id: UUID
    recorded_at: datetime
    occurred_at: datetime
    channel: int
    reason: Reason
    media: Media
    brand: int
    key: int
    recorded_by: str | None = None
    reference: str | None = None
    evidence: Mapping[str, Any] | None = None
    voided_at: datetime | None = None
    user: UUID | None = None
    door: int | None = None
    verified: bool = True
    answered_at: datetime | None = None

    @property
    def asks(self) -> tuple[object, ...]:
        """What the request asked for, by which the same one is known when it comes again."""
        said_at = None if self.occurred_at == self.recorded_at else self.occurred_at
        return self.media, self.brand, self.reason, said_at, self.recorded_by, self.evidence


@dataclass(frozen=True, slots=True)
class Voided:
    """When an opt-out was voided first; ``position`` is None where nothing changed now."""

    at: datetime
    position: int | None


def occurred(said_at: datetime | None, at: datetime, *, pointer: str) -> datetime:
    """Tell when something occurred: as it was said, else now.

    Raises:
        InTheFuture: it is said to lie more than five minutes ahead.
    """
    if said_at is not None and said_at > at + AHEAD:
        raise InTheFuture(
            "The time lies more than 5 minutes ahead of the registry's clock.",
            errors=[FieldError(pointer, "lies in the future")],
        )
    return said_at or at


_INSERT = """
INSERT INTO opt_outs (id, recorded_at, occurred_at, channel, reason, media, brand, key,
                      recorded_by, reference, evidence, user_id, door, answered_at)
VALUES (:id, :recorded_at, :occurred_at, :channel, :reason, :media, :brand, :key,
        :recorded_by, :reference, CAST(:evidence AS jsonb), :user_id, :door,
        :answered_at)
"""
_KEEP = text(f"""{_INSERT}
ON CONFLICT (channel, reference) WHERE reference IS NOT NULL DO NOTHING
RETURNING true
""")
_KEEP_MANY = text(_INSERT)


async def keep_opt_out(session: AsyncSession, opt_out: OptOut) -> bool:
    """Keep an opt-out; False if its channel used the reference already."""
    return bool(await session.scalar(_KEEP, _row_of(opt_out)))


async def keep_opt_outs(session: AsyncSession, opt_outs: Sequence[OptOut]) -> None:
    """Keep opt-outs that came together; none of them has a reference."""
    await session.execute(_KEEP_MANY, [_row_of(opt_out) for opt_out in opt_outs])


def _row_of(opt_out: OptOut) -> dict[str, Any]:
    return {
        "id": opt_out.id,
        "recorded_at": opt_out.recorded_at,
        "occurred_at": opt_out.occurred_at,
        "channel": opt_out.channel,
        "reason": opt_out.reason,
        "media": int(opt_out.media),
        "brand": opt_out.brand,
        "key": opt_out.key,
        "recorded_by": opt_out.recorded_by,
        "reference": opt_out.reference,
        "evidence": None if opt_out.evidence is None else json.dumps(dict(opt_out.evidence)),
        "user_id": opt_out.user,
        "door": opt_out.door,
        "answered_at": opt_out.answered_at,
    }


async def first_with_reference(
    session: AsyncSession, opt_out: OptOut, points: Collection[int | None]
) -> OptOut:
    """Find the opt-out that used a reference before, if it asked for the very same.

    ``points`` are its contact points, None for one that the registry never heard of.

    Raises:
        ReferenceReused: it was another one.
    """
    row = (
        await session.execute(
            select(OptOutRow).where(
                OptOutRow.channel == opt_out.channel, OptOutRow.reference == opt_out.reference
            )
        )
    ).scalar_one_or_none()
    first = None if row is None else opt_out_of(row)
    if first is None or first.asks != opt_out.asks or await _laid_on(session, first) != set(points):
        raise ReferenceReused("This reference belongs to another opt-out of the same channel.")
    return first


async def _laid_on(session: AsyncSession, opt_out: OptOut) -> set[int]:
    return {ground.point for ground in await grounds_laid_by(session, opt_out.id)}


async def find_opt_out(session: AsyncSession, opt_out: UUID, *, channel: int | None) -> OptOut:
    """Find an opt-out, if ``channel`` is None or recorded it.

    Raises:
        NotFound: there is none, or another channel's.
    """
    row = await session.get(OptOutRow, opt_out)
    if row is None or channel not in (None, row.channel):
        raise NotFound("There is no such opt-out.")
    return opt_out_of(row)


async def find_opt_outs(session: AsyncSession, opt_outs: Collection[UUID]) -> dict[UUID, OptOut]:
    """Find some opt-outs by their ids."""
    rows = await session.execute(select(OptOutRow).where(OptOutRow.id.in_(opt_outs)))
    return {row.id: opt_out_of(row) for row in rows.scalars()}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which opt-outs to list; None filters nothing, ``until`` is excluded."""

    channel: int | None = None
    reason: Reason | None = None
    brand: int | None = None
    since: datetime | None = None
    until: datetime | None = None


async def list_opt_outs(
    session: AsyncSession, wanted: Filter, *, before: UUID | None, limit: int
) -> list[OptOut]:
    """List opt-outs, the latest first, from the one after ``before``."""
    conditions = [
        compare(column, value)
        for compare, column, value in (
            (eq, OptOutRow.channel, wanted.channel),
            (eq, OptOutRow.reason, wanted.reason),
            (eq, OptOutRow.brand, wanted.brand),
            (ge, OptOutRow.recorded_at, wanted.since),
            (lt, OptOutRow.recorded_at, wanted.until),
            (lt, OptOutRow.id, before),
            # Ids are in order of time, so that a rare reason is not sought in all there ever was.
            (
                ge,
                OptOutRow.id,
                None if wanted.since is None else first_id(wanted.since - _DISORDER),
            ),
            (
                lt,
                OptOutRow.id,
                None if wanted.until is None else first_id(wanted.until + _DISORDER),
            ),
        )
        if value is not None
    ]
    rows = await session.execute(
        select(OptOutRow).where(*conditions).order_by(OptOutRow.id.desc()).limit(limit)
    )
    return [opt_out_of(row) for row in rows.scalars()]


async def void(
    session: AsyncSession, opt_out: UUID, *, by: str, reason: str, at: datetime
) -> Voided:
    """Void an opt-out that was a mistake; its record stays, its grounds no longer stand.

    Voiding it again changes nothing, and is not noted in the audit again.
    """
    laid = await grounds_laid_by(session, opt_out)
    # Contact points before the opt-out, as an erasure locks them.
    points = await lock_point_ids(session, {ground.point for ground in laid})
    first_at = await session.scalar(
        update(OptOutRow)
        .where(OptOutRow.id == opt_out)
        .values(
            voided_at=coalesce(OptOutRow.voided_at, at),
            voided_by=coalesce(OptOutRow.voided_by, by),
            void_reason=coalesce(OptOutRow.void_reason, reason),
        )
        .returning(OptOutRow.voided_at)
        .execution_options(synchronize_session=False)
    )
    if first_at == at:
        await note(session, by, "opt-out.voided", f"opt-out:{opt_out}", at)
    await void_withdrawals(session, opt_out, [point.id for point in points], at=at)
    changed = await void_grounds(session, opt_out, points, reason=laid[0].reason, at=at)
    return Voided(first_at or at, max((state.position for state in changed), default=None))


async def forget_opt_outs(session: AsyncSession, opt_outs: Collection[UUID]) -> None:
    """Destroy the free text and the references to raw evidence of some opt-outs."""
    await session.execute(
        update(OptOutRow)
        .where(OptOutRow.id.in_(opt_outs))
        .values(recorded_by=None, reference=None, evidence=None, void_reason=None)
    )


def opt_out_of(row: OptOutRow) -> OptOut:
    """Show a row."""
    return OptOut(
        row.id,
        row.recorded_at,
        row.occurred_at,
        row.channel,
        Reason(row.reason),
        Media(row.media),
        row.brand,
        row.key,
        row.recorded_by,
        row.reference,
        row.evidence,
        row.voided_at,
        row.user_id,
        row.door,
        answered_at=row.answered_at,
    )


def first_id(at: datetime, shift: timedelta = timedelta(0)) -> UUID:
    """Make the least UUIDv7 of a moment: ids are in order of time, so the primary key serves."""
    milliseconds = int((at.timestamp() + shift.total_seconds()) * 1000)
    return UUID(int=(min(max(0, milliseconds), 2**48 - 1) << 80) | (7 << 76) | (2 << 62))
