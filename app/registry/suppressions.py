"""Suppressions: derived from grounds, never edited; each change of one is told by the journal.

The functions that change something need their contact points locked by the caller
(``points.claim_points`` and its kin), and end with the journal's append, which must be the last
statement of the transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import MEDIA_SETS, Change, Draft, Lane, Media, Reason, append
from app.platform.arrays import alike, unnested
from app.points import Point, find_merged


class State(NamedTuple):
    """What is suppressed for one contact point and brand.

    ``told`` are all media that an entry about it ever named; ``since`` is when the oldest
    standing ground occurred, None where nothing is suppressed.
    """

    point: int
    brand: int
    media: Media
    told: Media
    version: int
    since: datetime | None
    position: int

    @classmethod
    def nothing(cls, point: int, brand: int) -> "State":
        """Begin the state of a contact point of which nothing was known."""
        return cls(point, brand, MEDIA_SETS[0], MEDIA_SETS[0], 0, None, 0)


class Cause(NamedTuple):
    """Why entries are written: what they will say of it."""

    change: Change
    reason: Reason
    lane: Lane
    occurred_at: datetime
    recorded_at: datetime


_KEPT = unnested(
    {"point": "int8", "since": "timestamptz"}, {"brand": "int2", "told": "int2"}, of="kept_"
)
# Rows that hold a position are written by the statement that gives it; see journal.append.
_KEEP = f"""
, kept AS (
    INSERT INTO suppressions (point, brand, media, told, version, since, position)
    SELECT point, brand, w.media, k.told, w.version, k.since, w.position
    FROM written w JOIN {_KEPT} AS k USING (point, brand)
    ON CONFLICT (point, brand) DO UPDATE
    SET media = excluded.media, told = excluded.told, version = excluded.version,
        since = excluded.since, position = excluded.position
)"""  # noqa: S608 - the code's own names


async def read_states(session: AsyncSession, points: Collection[int]) -> list[State]:
    """Read what is suppressed for some contact points, brand by brand."""
    rows = await session.execute(
        text("""
            SELECT * FROM suppressions WHERE point = ANY(:points) ORDER BY point, brand
        """),
        {"points": list(points)},
    )
    return [read_state(row) for row in rows]


async def derive_states(
    session: AsyncSession, points: Collection[int]
) -> dict[tuple[int, int], tuple[Media, datetime | None]]:
    """Compute media and ``since`` anew from the grounds, by contact point and brand."""
    rows = await session.execute(
        text("""
            SELECT point, brand,
                   coalesce(bit_or(media & ~lifted) FILTER (WHERE voided_at IS NULL), 0) AS media,
                   min(occurred_at) FILTER (
                       WHERE voided_at IS NULL AND media & ~lifted <> 0) AS since
            FROM grounds WHERE point = ANY(:points) GROUP BY point, brand
        """),
        {"points": list(points)},
    )
    return {(row.point, row.brand): (Media(row.media), row.since) for row in rows}


class Told(NamedTuple):
    """A change that an entry tells of: why, about whom, and the states on both sides of it."""

    cause: Cause
    point: Point
    before: State
    after: State


async def write_states(
    session: AsyncSession,
    told: Sequence[Told],
    *,
    then: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> list[State]:
    """Write new states, each with an entry that tells of it.

    ``then`` and ``parameters`` are the caller's own steps of the statement (``journal.append``).

    Returns:
        The new states with their positions.
    """
    positions = await tell(session, told, then=then, parameters=parameters)
    return [
        one.after._replace(position=positions[one.after.point, one.after.brand]) for one in told
    ]


async def tell(
    session: AsyncSession,
    told: Sequence[Told],
    *,
    then: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> dict[tuple[int, int], int]:
    """Do as ``write_states``: the positions by contact point and brand are all that is wanted."""
    if not told:
        return {}
    kept = [one.after for one in told]
    return await append(
        session,
        [_draft(one) for one in told],
        then=_KEEP + then,
        parameters={
            "kept_point": [state.point for state in kept],
            "kept_brand": alike([state.brand for state in kept]),
            "kept_told": alike([int(state.told) for state in kept]),
            "kept_since": [state.since for state in kept],
            **(parameters or {}),
        },
    )


async def rederive(
    session: AsyncSession,
    cause: Cause,
    points: Sequence[Point],
    *,
    then: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> list[State]:
    """Derive the states of contact points anew and tell of those that changed.

    ``then`` and ``parameters`` are the caller's own steps of the last statement, which is not run
    where nothing changed (``journal.append``).
    """
    by_id = {point.id: point for point in points}
    merged = await find_merged(session, by_id)
    by_id |= {point.id: point for point, _ in merged.values()}
    into = {point: number for point, (_, number) in merged.items()}
    derived = await derive_states(session, {*by_id, *into.values()})
    told, corrected = [], []
    for old in await read_states(session, by_id):
        media, since = derived.get((old.point, old.brand), (Media(0), None))
        if old.point in into:
            # It stays suppressed for as long as the one that it was merged into.
            wide, oldest = derived.get((into[old.point], old.brand), (Media(0), None))
            media |= old.media & wide
            since = min(filter(None, (since, oldest)), default=None)
        new = old._replace(media=media, since=since)
        if media != old.media:
            new = new._replace(version=old.version + 1)
            told.append(Told(cause, by_id[old.point], old, new))
        elif since != old.since:
            corrected.append(new)
    await correct_since(session, corrected)
    return await write_states(session, told, then=then, parameters=parameters)


async def tell_erased(session: AsyncSession, cause: Cause, points: Sequence[Point]) -> list[State]:
    """Tell everybody who was ever told of some contact points that they are to be erased.

    What is suppressed stays so.
    """
    by_id = {point.id: point for point in points}
    told = [
        Told(
            cause,
            by_id[old.point],
            old._replace(media=old.told),
            old._replace(version=old.version + 1),
        )
        for old in await read_states(session, by_id)
    ]
    return await write_states(session, told)


def _draft(told: Told) -> Draft:
    cause, point, new = told.cause, told.point, told.after
    return Draft(
        cause.change,
        cause.lane,
        point.kind,
        point.id,
        point.digest,
        new.brand,
        new.media,
        told.before.media,
        new.version,
        cause.reason,
        cause.occurred_at,
        cause.recorded_at,
    )


async def correct_since(session: AsyncSession, states: Collection[State]) -> None:
    """Write since when some contact points are suppressed: no change of what is, so none is told.

    The oldest ground went while others stand for the same media, or an older one was heard of.
    """
    if not states:
        return
    await session.execute(
        text("""
            UPDATE suppressions s SET since = c.since
            FROM unnest(CAST(:points AS int8[]), CAST(:brands AS int2[]),
                        CAST(:sinces AS timestamptz[])) AS c (point, brand, since)
            WHERE s.point = c.point AND s.brand = c.brand
        """),
        {
            "points": [state.point for state in states],
            "brands": [state.brand for state in states],
            "sinces": [state.since for state in states],
        },
    )


def read_state(row: Row[Any]) -> State:
    """Read a row of the table of suppressions."""
    return State(
        row.point,
        row.brand,
        Media(row.media),
        Media(row.told),
        row.version,
        row.since,
        row.position,
    )
