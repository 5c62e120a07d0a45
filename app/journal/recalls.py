"""Recalls: how many contacts followers took out of their queues, before they were made."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def keep_recalled(
    session: AsyncSession, follower: int, position: int, contacts_cancelled: int, at: datetime
) -> None:
    """Keep what a follower says it cancelled, for a list whose last entry has this position."""
    await session.execute(
        text("""
            INSERT INTO recalled (follower, position, contacts_cancelled, told_at)
            VALUES (:follower, :position, :cancelled, :at)
            ON CONFLICT (follower, position) DO UPDATE
            SET contacts_cancelled = excluded.contacts_cancelled, told_at = excluded.told_at
        """),
        {
            "follower": follower,
            "position": position,
            "cancelled": contacts_cancelled,
            "at": at,
        },
    )


_COUNT = text("""
SELECT coalesce(sum(r.contacts_cancelled), 0) FROM recalled r
JOIN followers f ON f.id = r.follower AND f.registered_after < r.position
JOIN journal_entries e ON e.position = r.position
WHERE r.follower = ANY(:followers) AND r.position > :after AND r.position <= :upto
  AND e.recorded_at >= :begin AND e.recorded_at < :end
""")


async def count_recalled(
    session: AsyncSession,
    followers: Collection[int],
    *,
    after: int,
    upto: int,
    begin: datetime,
    end: datetime,
) -> int:
    """Count the contacts that followers cancelled for entries of a stretch and a time."""
    given = {"after": after, "upto": upto, "begin": begin, "end": end}
    return int(await session.scalar(_COUNT, given | {"followers": list(followers)}) or 0)
