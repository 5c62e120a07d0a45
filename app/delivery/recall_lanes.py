"""How far each database's recalls are, and which worker may send the next one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import read_head

if TYPE_CHECKING:
    from app.platform.db import RawConnection


@dataclass(frozen=True, slots=True)
class RecallLane:
    """A database's recalls as they were claimed: ``after`` is the last position looked at."""

    database: int
    after: int
    failures: int
    fence: int


async def begin_recalls(session: AsyncSession, database: int) -> None:
    """Recall from now on; what stands in the journal already is not."""
    head = await read_head(session)
    await session.execute(
        text("""
            INSERT INTO recall_lanes AS r (database, after) VALUES (:database, :after)
            ON CONFLICT (database) DO UPDATE
            SET after = excluded.after, failures = 0, due_at = now(), fence = r.fence + 1,
                lease_until = NULL
        """),
        {"database": database, "after": head.position},
    )


async def end_recalls(session: AsyncSession, database: int) -> None:
    """Recall no more."""
    await session.execute(
        text("DELETE FROM recall_lanes WHERE database = :database"), {"database": database}
    )


_DUE = """
SELECT r.database FROM recall_lanes r JOIN followers f ON f.id = r.database AND NOT f.paused
WHERE r.after < (SELECT max(position + 0) FROM journal_entries WHERE lane = 1)
  AND r.due_at <= now() AND (r.lease_until IS NULL OR r.lease_until < now())
  AND r.database <> ALL({busy})
"""
_ANY_DUE = f"SELECT EXISTS ({_DUE.format(busy='$1::smallint[]')})"
_CLAIM = text(f"""
WITH due AS ({_DUE.format(busy=":busy")} LIMIT :most FOR UPDATE OF r SKIP LOCKED)
UPDATE recall_lanes r SET fence = fence + 1, lease_until = now() + :lease
FROM due WHERE due.database = r.database
RETURNING r.database, r.after, r.failures, r.fence
""")  # noqa: S608 - of parts that stand here


async def any_due(connection: "RawConnection", *, busy: Collection[int]) -> bool:
    """Tell whether a live entry waits at a database that is not ``busy``."""
    return bool(await connection.fetchval(_ANY_DUE, list(busy)))


async def claim_recalls(
    session: AsyncSession, *, busy: Collection[int], most: int, lease: timedelta
) -> list[RecallLane]:
    """Take the lanes at which a live entry waits, for as long as a lease."""
    rows = await session.execute(_CLAIM, {"busy": list(busy), "most": most, "lease": lease})
    return [RecallLane(row.database, row.after, row.failures, row.fence) for row in rows]


async def move_recalls(
    session: AsyncSession, lane: RecallLane, *, after: int, lease: timedelta | None
) -> bool:
    """Move a lane on, and keep it for a lease more or give it back; False if it is another's."""
    moved = await session.execute(
        text("""
            UPDATE recall_lanes SET after = :after, failures = 0, lease_until = now() + :lease
            WHERE database = :database AND fence = :fence RETURNING database
        """),
        {"after": after, "lease": lease, "database": lane.database, "fence": lane.fence},
    )
    return moved.first() is not None


async def put_off_recalls(session: AsyncSession, lane: RecallLane, *, wait: timedelta) -> None:
    """Count a failure, and give the lane back until it is tried again."""
    await session.execute(
        text("""
            UPDATE recall_lanes
            SET failures = failures + 1, due_at = now() + :wait, lease_until = NULL
            WHERE database = :database AND fence = :fence
        """),
        {"wait": wait, "database": lane.database, "fence": lane.fence},
    )
