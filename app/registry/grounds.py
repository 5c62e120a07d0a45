"""Grounds: laying them, lifting them by a later act of the person, voiding mistakes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import bindparam

from app.journal import (
    CONCERNED,
    EVERY_BRAND,
    Change,
    Lane,
    Media,
    Reason,
    count_concerned,
)
from app.platform.problems import Problem
from app.points import Point

from .suppressions import Cause, State, Told, read_state, rederive, write_states


class ObjectionIsNewer(Problem):
    """An objection was made at or after the act that is to lift it. Nothing was lifted.

    The person's latest word counts; ask for it, and record when it was said.
    """

    type = "objection-is-newer"
    title = "The person objected later"
    status = 409


class WiderObjectionStands(Problem):
    """An objection for every brand stands, and one brand alone was to be reinstated.

    Nothing was lifted. If the person meant every brand, leave `brand` out.
    """

    type = "wider-objection-stands"
    title = "An objection for every brand stands"
    status = 409


@dataclass(frozen=True, slots=True)
class Laying:
    """What one opt-out lays on each of its contact points."""

    opt_out: UUID
    brand: int
    media: Media
    reason: Reason
    channel: int
    occurred_at: datetime
    recorded_at: datetime
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Lifting:
    """A later, positive act of the person about one contact point, with its proof."""

    id: UUID
    brand: int
    media: Media
    channel: int
    key: int
    occurred_at: datetime
    recorded_at: datetime
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ground:
    """A ground as it stands; ``lifted`` are the media for which it stands no more.

    ``opt_out`` is the import where ``line`` tells from which line of its file it is.
    """

    point: int
    opt_out: UUID
    line: int | None
    brand: int
    media: Media
    lifted: Media
    reason: Reason
    channel: int
    occurred_at: datetime
    voided_at: datetime | None
    verified: bool
    position: int


# Rows that hold a position are written by the statement that gives it; see journal.append.
_LAY = """
, laid AS (
    INSERT INTO grounds (point, position, occurred_at, opt_out, brand, channel, media, lifted,
                         reason, verified)
    SELECT point, w.position, CAST(:occurred_at AS timestamptz), CAST(:opt_out AS uuid), w.brand,
           CAST(:channel AS int2), CAST(:media AS int2), l.lifted, CAST(:reason AS int2),
           CAST(:verified AS bool)
    FROM written w JOIN unnest(CAST(:laid_points AS int8[]), CAST(:laid_lifted AS int2[]))
         AS l (point, lifted) USING (point)
)"""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a ground will change at one contact point; ``lifted`` are media reinstated since."""

    point: Point
    before: State
    after: State
    lifted: Media


async def weigh(
    session: AsyncSession, laying: Laying, points: Sequence[Point]
) -> tuple[list[Weighed], int]:
    """Tell what laying a ground on each contact point will change, and how many will be told.

    Nothing is lowered by it. A ground that occurred before a reinstatement which covers it is kept
    as evidence and does not stand for what was reinstated.
    """
    rows = await session.execute(
        _BEFORE,
        {
            "points": [point.id for point in points],
            "brand": laying.brand,
            "occurred_at": laying.occurred_at,
        },
    )
    before = {row.point: row for row in rows}
    weighed = [_weigh(laying, point, before[point.id]) for point in points]
    touched = [(one.point.kind, one.after.media) for one in weighed]
    return weighed, count_concerned(before[points[0].id].concerned, touched)


def _weigh(laying: Laying, point: Point, before: Row[Any]) -> Weighed:
    old, reinstated = read_state(before), Media(before.lifted)
    standing = laying.media & ~reinstated
    dates = [old.since, laying.occurred_at if standing else None]
    new = State(
        point.id,
        laying.brand,
        old.media | standing,
        old.told | standing,
        old.version + 1,
        min((date for date in dates if date is not None), default=None),
        position=0,
    )
    return Weighed(point, old, new, laying.media & reinstated)


async def lay_grounds(
    session: AsyncSession, laying: Laying, weighed: Sequence[Weighed]
) -> list[State]:
    """Lay a ground on each contact point that was weighed, and tell of it.

    Every call tells of every contact point, whether or not its state changed: a repeated opt-out
    is told to everybody again.
    """
    cause = Cause(Change.ADDED, laying.reason, Lane.LIVE, laying.occurred_at, laying.recorded_at)
    return await write_states(
        session,
        [Told(cause, one.point, one.before, one.after) for one in weighed],
        then=_LAY,
        parameters={
            "occurred_at": laying.occurred_at,
            "opt_out": laying.opt_out,
            "channel": laying.channel,
            "media": int(laying.media),
            "reason": laying.reason,
            "verified": laying.verified,
            "laid_points": [one.point.id for one in weighed],
            "laid_lifted": [int(one.lifted) for one in weighed],
        },
    )


_BEFORE = text(f"""
SELECT p.id AS point, :brand AS brand, coalesce(s.media, 0) AS media,
       coalesce(s.told, 0) AS told, coalesce(s.version, 0) AS version, s.since,
       coalesce(s.position, 0) AS position, coalesce((
           SELECT bit_or(r.media) FROM reinstatements r
           WHERE NOT r.narrow AND r.point = p.id AND r.brand IN (0, :brand)
             AND r.occurred_at > :occurred_at), 0) AS lifted,
       {CONCERNED} AS concerned
FROM unnest(CAST(:points AS int8[])) AS p (id)
LEFT JOIN suppressions s ON s.point = p.id AND s.brand = :brand
""")  # noqa: S608 - built in is a constant


async def lift(session: AsyncSession, lifting: Lifting, point: Point) -> list[State]:
    """Lift the grounds that occurred before a positive act of the person, for its brand and media.

    The act is kept even where it lifts nothing yet, for grounds that arrive late.

    Returns:
        The states that changed.

    Raises:
        ObjectionIsNewer: a ground that it covers occurred at or after it.
        WiderObjectionStands: it is for one brand, and a ground for every brand stands.
    """
    rows = await session.execute(
        text("""
            SELECT id, brand, occurred_at, reason FROM grounds
            WHERE point = :point AND voided_at IS NULL AND media & ~lifted & :media <> 0
            ORDER BY occurred_at
        """),
        {"point": point.id, "media": int(lifting.media)},
    )
    standing = rows.all()
    covered = [row for row in standing if lifting.brand in (EVERY_BRAND, row.brand)]
    if any(row.occurred_at >= lifting.occurred_at for row in covered):
        raise ObjectionIsNewer("An objection occurred at or after this act; nothing was lifted.")
    if lifting.brand != EVERY_BRAND and any(row.brand == EVERY_BRAND for row in standing):
        raise WiderObjectionStands("An objection for every brand stands; nothing was lifted.")
    await session.execute(
        text("UPDATE grounds SET lifted = lifted | (media & :media) WHERE id = ANY(:ids)"),
        {"media": int(lifting.media), "ids": [row.id for row in covered]},
    )
    await keep_reinstatement(session, lifting, point)
    reason = Reason(covered[0].reason) if covered else Reason.OBJECTION
    cause = Cause(Change.LIFTED, reason, Lane.LIVE, lifting.occurred_at, lifting.recorded_at)
    return await rederive(session, cause, [point])


async def lift_some(
    session: AsyncSession, lifting: Lifting, point: Point, opt_outs: Collection[UUID]
) -> list[State]:
    """Lift what some opt-outs laid on a contact point, for the act's own brand and media alone.

    For whoever proves that they made these, and no more: no other ground is touched, and none
    that arrives later.

    Returns:
        The states that changed.
    """
    await session.execute(
        text("""
            UPDATE grounds SET lifted = lifted | (media & :media)
            WHERE point = :point AND brand = :brand AND opt_out = ANY(:opt_outs)
              AND voided_at IS NULL
        """),
        {
            "media": int(lifting.media),
            "point": point.id,
            "brand": lifting.brand,
            "opt_outs": list(opt_outs),
        },
    )
    await keep_reinstatement(session, lifting, point, narrow=True)
    cause = Cause(
        Change.LIFTED, Reason.OBJECTION, Lane.LIVE, lifting.occurred_at, lifting.recorded_at
    )
    return await rederive(session, cause, [point])


async def keep_reinstatement(
    session: AsyncSession, lifting: Lifting, point: Point, *, narrow: bool = False
) -> None:
    """Keep a positive act; ``narrow``: it says nothing of grounds that arrive later."""
    await session.execute(
        text("""
            INSERT INTO reinstatements (id, point, brand, media, channel, key, occurred_at,
                                        recorded_at, evidence, narrow)
            VALUES (:id, :point, :brand, :media, :channel, :key, :occurred_at, :recorded_at,
                    :evidence, :narrow)
        """).bindparams(bindparam("evidence", type_=JSONB)),
        {
            "id": lifting.id,
            "point": point.id,
            "brand": lifting.brand,
            "media": int(lifting.media),
            "channel": lifting.channel,
            "key": lifting.key,
            "occurred_at": lifting.occurred_at,
            "recorded_at": lifting.recorded_at,
            "evidence": dict(lifting.evidence),
            "narrow": narrow,
        },
    )


async def void_grounds(
    session: AsyncSession, opt_out: UUID, points: Sequence[Point], *, reason: Reason, at: datetime
) -> list[State]:
    """Void the grounds of one opt-out, which was a mistake; what others laid stands.

    Returns:
        The states that changed.
    """
    await session.execute(
        text("UPDATE grounds SET voided_at = :at WHERE opt_out = :opt_out AND voided_at IS NULL"),
        {"at": at, "opt_out": opt_out},
    )
    return await rederive(session, Cause(Change.LIFTED, reason, Lane.LIVE, at, at), points)


async def verify_grounds(session: AsyncSession, opt_out: UUID) -> None:
    """Note that the contact points of an opt-out are proven to be theirs who made it."""
    await session.execute(
        text("UPDATE grounds SET verified = true WHERE opt_out = :opt_out"), {"opt_out": opt_out}
    )


_GROUND = """
SELECT point, opt_out, line, brand, media, lifted, reason, channel, occurred_at, voided_at,
       verified, position
FROM grounds
"""


async def grounds_on(session: AsyncSession, point: int, *, most: int) -> list[Ground]:
    """List what was laid on a contact point, the latest first, voided and lifted ones included."""
    rows = await session.execute(
        text(f"{_GROUND} WHERE point = :point ORDER BY occurred_at DESC, id DESC LIMIT :most"),
        {"point": point, "most": most},
    )
    return [_ground(row) for row in rows]


async def grounds_laid_by(session: AsyncSession, opt_out: UUID) -> list[Ground]:
    """List what one opt-out laid, in the order of its contact points."""
    rows = await session.execute(
        text(f"{_GROUND} WHERE opt_out = :opt_out ORDER BY position"), {"opt_out": opt_out}
    )
    return [_ground(row) for row in rows]


async def opt_outs_about(session: AsyncSession, points: Collection[int]) -> list[UUID]:
    """List the opt-outs and imports that laid a ground on any of some contact points."""
    rows = await session.execute(
        text("SELECT DISTINCT opt_out FROM grounds WHERE point = ANY(:points)"),
        {"points": list(points)},
    )
    return list(rows.scalars())


async def reinstatements_of(session: AsyncSession, point: int, *, most: int) -> list[Lifting]:
    """List the acts that lifted grounds of a contact point, the latest first."""
    rows = await session.execute(
        text("""
            SELECT id, brand, media, channel, key, occurred_at, recorded_at, evidence
            FROM reinstatements WHERE point = :point ORDER BY occurred_at DESC, id DESC LIMIT :most
        """),
        {"point": point, "most": most},
    )
    return [
        Lifting(
            row.id,
            row.brand,
            Media(row.media),
            row.channel,
            row.key,
            row.occurred_at,
            row.recorded_at,
            row.evidence or {},
        )
        for row in rows
    ]


async def forget_evidence(session: AsyncSession, points: Collection[int]) -> None:
    """Destroy the evidence of reinstatements of contact points that are being erased."""
    await session.execute(
        text("UPDATE reinstatements SET evidence = NULL WHERE point = ANY(:points)"),
        {"points": list(points)},
    )


def _ground(row: Row[Any]) -> Ground:
    return Ground(
        row.point,
        row.opt_out,
        row.line,
        row.brand,
        Media(row.media),
        Media(row.lifted),
        Reason(row.reason),
        row.channel,
        row.occurred_at,
        row.voided_at,
        row.verified,
        row.position,
    )
