"""Who has been told of some entries, and when: read from cursors and acknowledgements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import unique

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .proofs import first_proof
from .words import Kind, Media, Word


@unique
class Result(Word):
    """What a database says it did with an entry."""

    APPLIED = 1
    ALREADY = 2
    NOT_FOUND = 3
    EXEMPT = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Told:
    """One follower that some entries concern.

    ``acknowledged_at`` is when it had acknowledged each of them, on either lane, None while it has
    not; ``result`` what it says it did with the last one, if it said so. ``parked`` tells that it
    refuses one of them, which its main lane went on without.
    """

    follower: int
    position: int
    acknowledged_at: datetime | None
    result: Result | None
    parked: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a follower says it did with one entry, and how many planned contacts it cancelled."""

    position: int
    result: Result
    applied_at: datetime | None = None
    contacts_cancelled: int | None = None


_FIRST = first_proof(
    follower="c.id", generation="c.generation", position="c.position", lane="c.lane"
)

# A follower is concerned by the entries of its present registration, or by those that it
# acknowledged under an earlier one; what an earlier one never acknowledged is told no more.
# Entry by entry: on the express lane a live one is acknowledged before a bulk one that stands
# before it.
_TOLD = text(f"""
WITH concerned AS (
    SELECT f.id, s.generation, f.generation AS present, e.position, e.lane
    FROM journal_entries e
    JOIN followers f ON f.registered_after < e.position
    JOIN follower_scopes s ON s.follower = f.id
    WHERE e.position = ANY(:positions)
      AND e.touches & s.media <> 0 AND (1 << e.kind) & s.kinds <> 0
      AND (e.brand = 0 OR s.brands IS NULL OR e.brand = ANY(s.brands))
), answered AS (
    SELECT c.id, c.generation = c.present AS present, c.position, {_FIRST} AS at
    FROM concerned c
), entries AS (
    SELECT id, position, min(at) AS at FROM answered
    GROUP BY id, position HAVING bool_or(present) OR min(at) IS NOT NULL
)
SELECT e.id, max(e.position) AS position,
       CASE WHEN bool_and(e.at IS NOT NULL) THEN max(e.at) END AS at, (
    SELECT o.outcome FROM outcomes o WHERE o.follower = e.id AND o.position = max(e.position)
) AS outcome, EXISTS (
    SELECT FROM parked_entries p WHERE p.follower = e.id AND p.position = ANY(:positions)
) AS parked
FROM entries e GROUP BY e.id ORDER BY e.id
""")  # noqa: S608 - built in are names of columns


async def who_was_told(session: AsyncSession, positions: Collection[int]) -> list[Told]:
    """List the followers that the entries at some positions concern.

    Counted are those registered when the entries were written, less those deleted since.
    """
    rows = await session.execute(_TOLD, {"positions": list(positions)})
    return [
        Told(
            row.id,
            row.position,
            row.at,
            None if row.outcome is None else Result(row.outcome),
            row.parked,
        )
        for row in rows
    ]


_PRESENT = first_proof(
    follower="f.id", generation="f.generation", position="e.position", lane="e.lane"
)
_BEHIND = text(f"""
SELECT EXISTS (
    SELECT FROM journal_entries e
    JOIN followers f ON f.scanned < e.position OR f.registered_after < e.position
    JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
    WHERE e.position = ANY(:positions)
      AND e.touches & s.media <> 0 AND (1 << e.kind) & s.kinds <> 0
      AND (e.brand = 0 OR s.brands IS NULL OR e.brand = ANY(s.brands))
      AND ({_PRESENT} IS NULL OR f.scanned < e.position
           AND (f.acknowledged >= e.position OR f.begun_at > {_PRESENT}))
)
""")  # noqa: S608 - built in are names of columns


async def is_anyone_behind(session: AsyncSession, positions: Collection[int]) -> bool:
    """Tell whether a follower has yet to come to some entries, or to acknowledge them.

    More than ``who_was_told``: one that acknowledged them, and then was started again or is told
    again, counts until it has passed them once more. So does one that was registered since.
    """
    return bool(await session.scalar(_BEHIND, {"positions": list(positions)}))


CONCERNED = """
(SELECT array_agg(ARRAY[kinds, media, number]) FROM (
    SELECT s.kinds, s.media, CAST(count(*) AS int2) AS number FROM followers f
    JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
    WHERE :brand = 0 OR s.brands IS NULL OR :brand = ANY(s.brands)
    GROUP BY s.kinds, s.media
) scopes)
"""
"""An SQL expression for ``count_concerned``, to be part of somebody's statement: no round trip."""


def count_concerned(
    concerned: Sequence[Sequence[int]] | None, touched: Collection[tuple[Kind, Media]]
) -> int:
    """Count the followers that entries about a brand would concern, were they written now.

    ``concerned`` is what ``CONCERNED`` gave for the brand; ``touched`` holds for each entry its
    kind and the media that it touches.
    """
    return sum(
        number
        for kinds, media, number in concerned or ()
        if any(touches & media and 1 << kind & kinds for kind, touches in touched)
    )


async def report(
    session: AsyncSession, follower: int, reports: Mapping[int, Report], at: datetime
) -> None:
    """Keep what a follower says it did with some entries; a later word replaces an earlier one."""
    await session.execute(
        text("""
            INSERT INTO outcomes (follower, position, outcome, contacts_cancelled, applied_at,
                                  told_at)
            SELECT CAST(:follower AS int2), g.position, g.outcome, g.cancelled, g.applied_at,
                   CAST(:at AS timestamptz)
            FROM unnest(CAST(:positions AS int8[]), CAST(:outcomes AS int2[]),
                        CAST(:cancelled AS int4[]), CAST(:applied AS timestamptz[]))
                 AS g (position, outcome, cancelled, applied_at)
            ON CONFLICT (follower, position) DO UPDATE
            SET outcome = excluded.outcome, contacts_cancelled = excluded.contacts_cancelled,
                applied_at = excluded.applied_at, told_at = excluded.told_at
        """),
        {
            "follower": follower,
            "at": at,
            "positions": list(reports),
            "outcomes": [one.result for one in reports.values()],
            "cancelled": [one.contacts_cancelled for one in reports.values()],
            "applied": [one.applied_at for one in reports.values()],
        },
    )
