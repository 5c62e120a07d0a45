"""How far behind followers are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Lag:
    """What a follower owes: entries after its place, and for how many seconds the oldest of them.

    Nobody owes for longer than since it was registered, told to begin again or to go back. Both
    are 0 where nothing waits.
    """

    follower: int
    entries: int
    seconds: float
    paused: bool
    failing: bool


_LAGS = text("""
SELECT f.id, greatest(0, h.position - f.scanned) AS entries, f.paused, f.failures > 0 AS failing,
       greatest(0, extract(epoch FROM :at - greatest(e.recorded_at, f.begun_at))) AS seconds
FROM journal_head h CROSS JOIN followers f
LEFT JOIN journal_entries e ON e.position = f.scanned + 1
WHERE h.number = 1 ORDER BY f.id
""")


async def read_lags(session: AsyncSession, at: datetime) -> list[Lag]:
    """Read how far behind every follower is, by one look into an index for each."""
    return [
        Lag(
            row.id,
            row.entries,
            float(row.seconds) if row.entries else 0.0,
            row.paused,
            row.failing,
        )
        for row in await session.execute(_LAGS, {"at": at})
    ]
