"""How fast followers were told lately: a sample of the latest live entries, for a quick look.

A report counts every entry of a time; this looks at so few that a page may show it at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .proofs import first_proof
from .words import Change

_PAIRS = 10_000
_FEWEST, _MOST = 50, 1_000


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds from recording to acknowledgement of the latest entries that concern a follower.

    What is ``waiting`` counts with the time that it has waited so far.
    """

    entries: int
    waiting: int
    p50: float
    p95: float
    p99: float


_FIRST = first_proof(follower="t.id", generation="t.generation", position="e.position", lane="1")
_SPREADS = text(f"""
WITH sampled AS MATERIALIZED (
    SELECT position, recorded_at, kind, brand, touches FROM (
        SELECT * FROM journal_entries WHERE lane = 1 ORDER BY position + 0 DESC LIMIT :most
    ) latest WHERE change = :added
), terms AS MATERIALIZED (
    SELECT f.id, f.generation, f.registered_after, s.kinds, s.media, s.brands
    FROM followers f
    JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
    WHERE f.id = ANY(:followers)
), told AS (
    SELECT t.id, {_FIRST} AS at, e.recorded_at
    FROM terms t JOIN sampled e ON e.position > t.registered_after
     AND e.touches & t.media <> 0 AND (1 << e.kind) & t.kinds <> 0
     AND (e.brand = 0 OR t.brands IS NULL OR e.brand = ANY(t.brands))
)
SELECT id, count(*) AS entries, count(*) - count(at) AS waiting,
       percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
           ORDER BY greatest(0, CAST(extract(epoch FROM coalesce(at, :at) - recorded_at) AS float8))
       ) AS seconds
FROM told GROUP BY id
""")  # noqa: S608 - built in are names of columns


def sampled_of(followers: int) -> int:
    """Tell how many of the latest live entries are looked at for so many followers."""
    return min(_MOST, max(_FEWEST, _PAIRS // max(1, followers)))


async def sample_silence(
    session: AsyncSession, followers: Collection[int], *, at: datetime
) -> dict[int, Spread]:
    """Tell how fast some followers were told lately; by number.

    Of the latest 1,000 live entries, or of fewer where the followers are many; who is concerned by
    none of them is left out.
    """
    most = sampled_of(len(followers))
    rows = await session.execute(
        _SPREADS,
        {"most": most, "added": Change.ADDED, "followers": list(followers), "at": at},
    )
    return {row.id: Spread(row.entries, row.waiting, *row.seconds) for row in rows}
