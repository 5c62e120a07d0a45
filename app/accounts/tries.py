"""Tries: how often something was tried lately, counted over all processes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_COUNT = text("""
INSERT INTO tries (what, ends_at, count) VALUES (:what, :ends_at, 1)
ON CONFLICT (what) DO UPDATE SET
    count = CASE WHEN tries.ends_at > :at THEN tries.count + 1 ELSE 1 END,
    ends_at = CASE WHEN tries.ends_at > :at THEN tries.ends_at ELSE :ends_at END
RETURNING count
""")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many tries of one thing within a window of time."""

    most: int
    within: timedelta


async def count_try(session: AsyncSession, what: str, limit: Limit, *, at: datetime) -> bool:
    """Count a try, and tell whether it is still within the limit.

    ``what`` may hold a login or an address: it is kept as a digest, until the window has passed.
    """
    digest = hashlib.blake2b(what.encode(), digest_size=16).digest()
    count = await session.scalar(_COUNT, {"what": digest, "at": at, "ends_at": at + limit.within})
    return int(count) <= limit.most


async def forget_tries(session: AsyncSession, *, at: datetime) -> None:
    """Delete what is past its window."""
    await session.execute(text("DELETE FROM tries WHERE ends_at <= :at"), {"at": at})
