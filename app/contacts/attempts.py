"""Attempts to contact people, answered or not: narrow rows, kept for some weeks.

Nobody may be called more than four times in thirty days (C. conso D223-9), and a call that was
not answered counts.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import EVERY_BRAND, Media
from app.points import PointKeys

from .claiming import number_points
from .consents import AHEAD, MOST_SHOWN, Origin
from .refusals import UnusableRecord
from .words import Outcome

COUNTED_FOR = timedelta(days=92)
"""For how long an attempt may count under any pack of rules."""
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """An attempt; brand 0 where it is not known, which counts for every brand."""

    identifier: Identifier
    medium: Media
    attempted_at: datetime
    brand: int = EVERY_BRAND
    outcome: Outcome = Outcome.UNANSWERED
    party: int | None = None

    @property
    def name(self) -> Hashable:
        """What makes two attempts the same."""
        return (self.identifier, self.medium, self.attempted_at, self.brand)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it was recorded."""

    medium: Media
    attempted_at: datetime
    brand: int
    outcome: Outcome
    party: int | None
    channel: int | None


def require_attempt(new: NewAttempt, *, at: datetime, kept: timedelta, pointer: str = "") -> None:
    """Refuse an attempt that has not been made yet, or is too old to count for anything.

    Raises:
        UnusableRecord: it says where.
    """
    where = f"{pointer}/attempted_at"
    if new.attempted_at > at + AHEAD:
        raise UnusableRecord("in_the_future", where, "it lies in the future")
    if new.attempted_at < at - kept:
        raise UnusableRecord(
            "too_old", where, f"attempts are kept for {kept.days} days, and it is older"
        )


_KEEP = text("""
INSERT INTO contact_attempts (point, medium, attempted_at, brand, outcome, party, channel)
SELECT g.point, g.medium, g.attempted_at, g.brand, g.outcome, g.party, :channel
FROM unnest(CAST(:points AS int8[]), CAST(:media AS int2[]), CAST(:ats AS timestamptz[]),
            CAST(:brands AS int2[]), CAST(:outcomes AS int2[]), CAST(:parties AS int2[]))
     AS g (point, medium, attempted_at, brand, outcome, party)
ORDER BY g.point, g.medium, g.attempted_at, g.brand
ON CONFLICT DO NOTHING
RETURNING point, medium, attempted_at, brand
""")


async def record_attempts(
    session: AsyncSession, keys: PointKeys, news: Sequence[NewAttempt], origin: Origin
) -> list[bool]:
    """Keep attempts, each once: whether it was new.

    Contact points are found or made, and locked until the commit.
    """
    if not news:
        return []
    points = await number_points(session, keys, [one.identifier for one in news])
    rows = await session.execute(
        _KEEP,
        {
            "points": points,
            "media": [int(one.medium) for one in news],
            "ats": [one.attempted_at for one in news],
            "brands": [one.brand for one in news],
            "outcomes": [int(one.outcome) for one in news],
            "parties": [one.party for one in news],
            "channel": origin.channel,
        },
    )
    left = {tuple(row) for row in rows}
    fresh = []
    for point, one in zip(points, news, strict=True):
        name = (point, int(one.medium), one.attempted_at, one.brand)
        fresh.append(name in left)
        left.discard(name)
    return fresh


async def attempts_on(
    session: AsyncSession, point: int | None, *, channel: int | None
) -> list[Attempt]:
    """List the attempts on a contact point, the latest first, 200 at most."""
    rows = await session.execute(
        text("""
            SELECT * FROM contact_attempts
            WHERE point = :point AND (CAST(:channel AS int2) IS NULL OR channel = :channel)
            ORDER BY attempted_at DESC LIMIT :most
        """),
        {"point": point, "channel": channel, "most": MOST_SHOWN},
    )
    return [
        Attempt(
            Media(row.medium),
            row.attempted_at,
            row.brand,
            Outcome(row.outcome),
            row.party,
            row.channel,
        )
        for row in rows
    ]


async def forget_old_attempts(session: AsyncSession, *, before: datetime) -> int:
    """Delete attempts that count for nothing any more, some at once: how many."""
    gone = await session.execute(
        text("""
            DELETE FROM contact_attempts WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM contact_attempts WHERE attempted_at < :before LIMIT :most
            )) RETURNING 1
        """),
        {"before": before, "most": _AT_ONCE},
    )
    return len(gone.all())
