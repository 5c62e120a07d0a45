"""What came in, day by day: opt-outs by channel and by reason, files apart from them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import Reason

from .opt_outs import first_id

_ONE = timedelta(days=1)
_KEPT = timedelta(days=400)
_DISORDER = timedelta(hours=1)
"""A transaction that began on a day is over by then, and an id lies no further from its time."""


@dataclass(frozen=True, slots=True)
class Day:
    """The opt-outs that were recorded on one day, by channel (its number) and reason."""

    on: date
    counts: Mapping[tuple[int, Reason], int]

    @property
    def total(self) -> int:
        """Count them all."""
        return sum(self.counts.values())

    def by_channel(self) -> Counter[int]:
        """Count them by channel."""
        counted: Counter[int] = Counter()
        for (channel, _), count in self.counts.items():
            counted[channel] += count
        return counted

    def by_reason(self) -> Counter[Reason]:
        """Count them by reason."""
        counted: Counter[Reason] = Counter()
        for (_, reason), count in self.counts.items():
            counted[reason] += count
        return counted


class Arrivals:
    """The days of one registry, as one process has counted them: a day that is over stays so."""

    def __init__(self, zone: ZoneInfo) -> None:
        """Take the zone whose midnights part the days; nothing is read before it is asked for."""
        self._zone = zone
        self._over: dict[date, Day] = {}

    async def days(self, session: AsyncSession, *, last: int, at: datetime) -> list[Day]:
        """Count the last so many days, today as the last of them."""
        today = at.astimezone(self._zone).date()
        wanted = [today - timedelta(days=ago) for ago in reversed(range(last))]
        return [await self._day(session, day, at) for day in wanted]

    async def _day(self, session: AsyncSession, day: date, at: datetime) -> Day:
        if day in self._over:
            return self._over[day]
        begin, end = (datetime.combine(one, time(), self._zone) for one in (day, day + _ONE))
        rows = await session.execute(
            _COUNT,
            {
                "first": first_id(begin, -_DISORDER),
                "last": first_id(end, _DISORDER),
                "begin": begin,
                "end": end,
            },
        )
        found = Day(day, {(row.channel, Reason(row.reason)): row.opt_outs for row in rows})
        if end + _DISORDER < at:
            self._over = {known: kept for known, kept in self._over.items() if known > day - _KEPT}
            self._over[day] = found
        return found


# By the ids, which are in order of time: the primary key serves.
_COUNT = text("""
SELECT channel, reason, count(*) AS opt_outs FROM opt_outs
WHERE id >= :first AND id < :last AND recorded_at >= :begin AND recorded_at < :end
GROUP BY channel, reason
""")
