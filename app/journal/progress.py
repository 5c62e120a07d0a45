"""How far followers are on their main lane: cursors moved by compare-and-set, acknowledgements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .followers import FollowerState
from .parked import take_parked


@dataclass(frozen=True, slots=True)
class Step:
    """What a lease holder wants to write: from where it was to where it is.

    ``acknowledged`` is the new position that has a proof, None when nothing was acknowledged.
    """

    follower: int
    fence: int
    told_before: int
    told: int
    scanned: int
    acknowledged: int | None
    batch_limit: int
    at: datetime


_ADVANCE = text("""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ids AS int2[]), CAST(:fences AS int8[]), CAST(:befores AS int8[]),
        CAST(:tolds AS int8[]), CAST(:scanneds AS int8[]), CAST(:acknowledgeds AS int8[]),
        CAST(:limits AS int4[]), CAST(:ats AS timestamptz[])
    ) AS g (id, fence, before, told, scanned, acknowledged, batch_limit, at)
), old AS (
    SELECT f.id, f.scanned, f.acknowledged, f.generation
    FROM followers f JOIN given g ON g.id = f.id
    WHERE f.fence = g.fence AND f.told = g.before ORDER BY f.id FOR UPDATE OF f
), advanced AS (
    UPDATE followers f
    SET told = g.told, scanned = g.scanned, batch_limit = g.batch_limit,
        begun_at = CASE WHEN g.scanned < f.scanned THEN now() ELSE f.begun_at END,
        failures = CASE WHEN g.acknowledged IS NULL THEN f.failures ELSE 0 END,
        acknowledged = greatest(f.acknowledged, coalesce(g.acknowledged, f.acknowledged))
    FROM given g JOIN old ON old.id = g.id WHERE f.id = g.id
), proven AS (
    INSERT INTO acknowledgements (follower, generation, upto, after, at)
    SELECT g.id, old.generation, g.acknowledged, old.acknowledged, g.at
    FROM given g JOIN old ON old.id = g.id WHERE g.acknowledged > old.acknowledged
), taken AS (
    DELETE FROM parked_entries p USING given g, old
    WHERE old.id = g.id AND p.follower = g.id
      AND p.position > old.scanned AND p.position <= g.acknowledged
    RETURNING p.follower, old.generation, p.position, g.at
), late AS (
    INSERT INTO acknowledgements (follower, generation, upto, after, at)
    SELECT follower, generation, position, position - 1, at FROM taken ON CONFLICT DO NOTHING
)
SELECT id FROM old
""")


async def advance(session: AsyncSession, steps: Sequence[Step]) -> frozenset[int]:
    """Move cursors, each only if its fence and its place are still what the holder thinks.

    What goes beyond the highest acknowledged position is kept as proof with its time, and so is
    what was parked there and now was taken in its place. Failures are forgotten where something
    was acknowledged.

    Returns:
        The followers that were moved; the rest was refused.
    """
    rows = await session.execute(
        _ADVANCE,
        {
            "ids": [step.follower for step in steps],
            "fences": [step.fence for step in steps],
            "befores": [step.told_before for step in steps],
            "tolds": [step.told for step in steps],
            "scanneds": [step.scanned for step in steps],
            "acknowledgeds": [step.acknowledged for step in steps],
            "limits": [step.batch_limit for step in steps],
            "ats": [step.at for step in steps],
        },
    )
    return frozenset(rows.scalars())


async def put_off(
    session: AsyncSession,
    follower: int,
    fence: int,
    *,
    wait: timedelta,
    batch_limit: int,
    refused: bool = False,
) -> bool:
    """Count a failure and plan the next try; False if the fence was raised.

    ``refused``: it answered, and other entries may be taken all the same.
    """
    moved = await session.scalar(
        text("""
            UPDATE followers SET failures = failures + 1, due_at = now() + :wait,
                batch_limit = :batch_limit, refused = :refused
            WHERE id = :id AND fence = :fence RETURNING true
        """),
        {
            "id": follower,
            "fence": fence,
            "wait": wait,
            "batch_limit": batch_limit,
            "refused": refused,
        },
    )
    return bool(moved)


async def pass_over(session: AsyncSession, follower: FollowerState, upto: int) -> None:
    """Move a follower's place over entries that do not concern it, unless it moved meanwhile."""
    await session.execute(
        text("""
            UPDATE followers SET scanned = :upto
            WHERE id = :id AND generation = :generation AND scanned = :scanned
        """),
        {
            "id": follower.id,
            "generation": follower.generation,
            "scanned": follower.scanned,
            "upto": upto,
        },
    )


async def acknowledge(session: AsyncSession, follower: int, position: int, at: datetime) -> None:
    """Record that a follower has said by itself that it applied everything up to a position.

    It never moves back. A worker that holds the follower begins again from here.
    """
    await session.execute(
        text("""
            WITH old AS (
                SELECT id, generation, acknowledged FROM followers
                WHERE id = :id AND least(told, acknowledged) < :position FOR UPDATE
            ), moved AS (
                UPDATE followers f
                SET told = greatest(told, CAST(:position AS int8)),
                    scanned = greatest(scanned, CAST(:position AS int8)),
                    acknowledged = greatest(f.acknowledged, CAST(:position AS int8)),
                    fence = fence + 1
                FROM old WHERE f.id = old.id
            )
            INSERT INTO acknowledgements (follower, generation, upto, after, at)
            SELECT id, generation, CAST(:position AS int8), acknowledged, CAST(:at AS timestamptz)
            FROM old
            WHERE acknowledged < :position
        """),
        {"id": follower, "position": position, "at": at},
    )
    await take_parked(session, follower, after=0, upto=position, at=at)
