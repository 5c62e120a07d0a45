"""What an opt-out added to what was suppressed before it."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Entry, Media


async def media_added(session: AsyncSession, entries: Collection[Entry]) -> dict[int, Media]:
    """Tell by position which media each entry was the first to suppress, and that still are.

    Grounds that were lifted or voided since do not count as having stood before.
    """
    rows = await session.execute(
        text("""
            SELECT e.position, s.media, coalesce((
                SELECT bit_or(g.media & ~g.lifted) FROM grounds g
                WHERE g.point = e.point AND g.brand = e.brand AND g.position < e.position
                  AND g.voided_at IS NULL), 0) AS before
            FROM unnest(CAST(:positions AS int8[]), CAST(:points AS int8[]),
                        CAST(:brands AS int2[])) AS e (position, point, brand)
            JOIN suppressions s ON s.point = e.point AND s.brand = e.brand
        """),
        {
            "positions": [entry.position for entry in entries],
            "points": [entry.point for entry in entries],
            "brands": [entry.brand for entry in entries],
        },
    )
    still = {row.position: Media(row.media & ~row.before) for row in rows}
    return {one.position: one.media & still.get(one.position, Media(0)) for one in entries}
