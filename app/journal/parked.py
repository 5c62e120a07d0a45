"""Parked entries: refused by a follower one by one, and left behind by its main lane.

Nothing acknowledges a parked entry but its own acceptance: the proofs of the main lane leave a gap
where it stands, and whoever asks who was told of it sees it failing. It is tried in the background
for ever, and the main lane brings it again when it comes by on a replay.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from .words import Change, Lane


@dataclass(frozen=True, slots=True)
class ParkedEntry:
    """An entry that a follower refuses, and how often it did; ``error`` names no contact point."""

    position: int
    change: Change
    lane: Lane
    recorded_at: datetime
    parked_at: datetime
    due_at: datetime
    tries: int
    error: str


_PARK = text("""
WITH moved AS (
    UPDATE followers
    SET scanned = :position, acknowledged = greatest(acknowledged, CAST(:position AS int8)),
        failures = 0, batch_limit = :batch_limit
    WHERE id = :id AND fence = :fence AND scanned < :position RETURNING id
), parked AS (
    INSERT INTO parked_entries AS p (follower, position, parked_at, due_at, tries, error)
    SELECT id, CAST(:position AS int8), CAST(:at AS timestamptz), now() + :wait, 1,
           CAST(:error AS text)
    FROM moved
    ON CONFLICT (follower, position) DO UPDATE
    SET due_at = excluded.due_at, tries = p.tries + 1, error = excluded.error
)
SELECT true FROM moved
""")


async def park(
    session: AsyncSession,
    follower: int,
    fence: int,
    position: int,
    *,
    batch_limit: int,
    error: str,
    wait: timedelta,
    at: datetime,
) -> bool:
    """Let the main lane go on without an entry, and plan its next try.

    The next batch still says the ``previous`` of before: what is left out is not acknowledged.

    Returns:
        False, and nothing is parked, if the fence was raised since.
    """
    given = {
        "id": follower,
        "fence": fence,
        "position": position,
        "batch_limit": batch_limit,
        "error": error,
        "wait": wait,
        "at": at,
    }
    return bool(await session.scalar(_PARK, given))


_TAKE = text("""
WITH gone AS (
    DELETE FROM parked_entries WHERE follower = :id AND position > :after AND position <= :upto
    RETURNING follower, position
)
INSERT INTO acknowledgements (follower, generation, upto, after, at)
SELECT g.follower, f.generation, g.position, g.position - 1, CAST(:at AS timestamptz)
FROM gone g JOIN followers f ON f.id = g.follower
ON CONFLICT DO NOTHING
""")


async def take_parked(
    session: AsyncSession, follower: int, *, after: int, upto: int, at: datetime
) -> None:
    """Record that a follower has taken its parked entries after one position up to another."""
    await session.execute(_TAKE, {"id": follower, "after": after, "upto": upto, "at": at})


async def retry_parked(
    session: AsyncSession, follower: int, position: int, *, error: str, wait: timedelta
) -> None:
    """Count a further refusal of a parked entry, and plan its next try."""
    await session.execute(
        text("""
            UPDATE parked_entries SET tries = tries + 1, error = :error, due_at = now() + :wait
            WHERE follower = :id AND position = :position
        """),
        {"id": follower, "position": position, "error": error, "wait": wait},
    )


_COLUMNS = """
SELECT p.position, e.change, e.lane, e.recorded_at, p.parked_at, p.due_at, p.tries, p.error
FROM parked_entries p JOIN journal_entries e ON e.position = p.position
"""


async def due_parked(session: AsyncSession, follower: int, *, most: int) -> list[ParkedEntry]:
    """List parked entries of a follower whose next try is due, the longest due first."""
    rows = await session.execute(
        text(f"""
            {_COLUMNS} WHERE p.follower = :id AND p.due_at <= now() ORDER BY p.due_at LIMIT :most
        """),
        {"id": follower, "most": most},
    )
    return [_parked(row) for row in rows]


async def list_parked(
    session: AsyncSession, follower: int, *, after: int, limit: int
) -> list[ParkedEntry]:
    """List parked entries of a follower in the order of the journal, beyond a position."""
    rows = await session.execute(
        text(f"""
            {_COLUMNS} WHERE p.follower = :id AND p.position > :after
            ORDER BY p.position LIMIT :limit
        """),
        {"id": follower, "after": after, "limit": limit},
    )
    return [_parked(row) for row in rows]


async def count_parked(session: AsyncSession, followers: Collection[int]) -> dict[int, int]:
    """Count the parked entries of some followers; those without any are left out."""
    rows = await session.execute(
        text("""
            SELECT follower, count(*) AS parked FROM parked_entries
            WHERE follower = ANY(:ids) GROUP BY follower
        """),
        {"ids": list(followers)},
    )
    return {row.follower: row.parked for row in rows}


def _parked(row: Row[Any]) -> ParkedEntry:
    return ParkedEntry(
        row.position,
        Change(row.change),
        Lane(row.lane),
        row.recorded_at,
        row.parked_at,
        row.due_at,
        row.tries,
        row.error,
    )
