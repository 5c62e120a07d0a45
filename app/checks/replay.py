"""What stood about a contact point at a past moment: what was said by then, as is known now."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Media, Reason

from .lookups import Covered, Found, Hit

# A ground stands from when it occurred until an act of the person that occurred later lifted it.
# One that was lifted otherwise stood until nobody knows when: it blocks.
_STOOD = text("""
    SELECT DISTINCT ON (g.brand) g.brand, g.occurred_at, g.reason
    FROM contact_points p JOIN grounds g ON g.point = p.id
    WHERE p.digest = ANY(:digests) AND g.media & :medium <> 0
      AND g.occurred_at <= :at AND g.voided_at IS NULL
      AND (g.lifted & :medium = 0 OR NOT EXISTS (
          SELECT 1 FROM reinstatements r
          WHERE r.point = p.id AND r.media & :medium <> 0 AND r.brand IN (0, g.brand)
            AND r.occurred_at > g.occurred_at AND r.occurred_at <= :at
      ))
    ORDER BY g.brand, g.occurred_at
""").bindparams(bindparam("digests", type_=ARRAY(LargeBinary)))
_NOW = text("""
    SELECT h.position,
           (SELECT array_agg(id) FROM brands WHERE coverage = 'law') AS lawful,
           (SELECT array_agg(id) FROM brands WHERE coverage = 'suppressions') AS unlawful
    FROM journal_head h WHERE h.number = 1
""")


async def stood(
    session: AsyncSession, points: Sequence[Sequence[bytes]], *, medium: Media, at: datetime
) -> list[Found]:
    """Find what stood about each contact point, given by its digests under every live key."""
    head = (await session.execute(_NOW)).one()
    covered = Covered(frozenset(head.lawful or ()), frozenset(head.unlawful or ()))
    found = []
    for digests in points:
        rows = await session.execute(
            _STOOD, {"digests": list(digests), "medium": int(medium), "at": at}
        )
        hits = tuple(Hit(row.brand, row.occurred_at, Reason(row.reason)) for row in rows)
        found.append(Found(head.position, hits, covered))
    return found
