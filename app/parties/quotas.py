"""Quotas of keys: requests a second in this process, contact points checked a day in all.

The list is itself a target: a stolen key must not be able to ask for the whole country overnight.
Keys with scope ``admin`` have none.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer

from app.platform.clock import now
from app.platform.db import Database
from app.platform.merged import Merged
from app.platform.problems import Problem

from .caller import Caller
from .tables import KeyUsageRow


class QuotaExceeded(Problem):
    """The key has used up what it may do in a second or check in a day (UTC).

    Nothing was done. Ask again after `Retry-After` seconds; until then treat the contact as
    blocked.
    """

    type = "quota-exceeded"
    title = "The key's quota is used up"
    status = 429


@dataclass(slots=True)
class _Bucket:
    """Requests that a key may still make; it refills with time, up to one second's worth."""

    left: float
    filled_at: float


@dataclass(slots=True)
class _Use:
    """What a key has checked on a day: in all as last read, and here since then."""

    known: int
    unsaved: int = 0


class Quotas:
    """The use of all keys in one process, shared with other processes about once a second.

    A process that is killed loses at most the last second's count; the rest survives.
    """

    def __init__(self, database: Database) -> None:
        """Take the database, whose settings hold the limits of keys without their own."""
        self._database = database
        self._settings = database.settings
        self._buckets: dict[int, _Bucket] = {}
        self._uses: dict[tuple[int, date], _Use] = {}
        self._unread: Merged[tuple[int, date], int] = Merged(self._read)

    def count_request(self, caller: Caller) -> None:
        """Count one request of a caller.

        Raises:
            QuotaExceeded: it made too many within a second.
        """
        if caller.is_admin:
            return
        rate = caller.requests_per_second or self._settings.key_requests_per_second
        at = time.monotonic()
        bucket = self._buckets.setdefault(caller.key, _Bucket(rate, at))
        bucket.left = min(rate, bucket.left + (at - bucket.filled_at) * rate)
        bucket.filled_at = at
        if bucket.left < 1:
            raise QuotaExceeded(
                f"This key may make {rate} requests a second.", headers={"Retry-After": "1"}
            )
        bucket.left -= 1

    async def count_checked(self, caller: Caller, points: int) -> None:
        """Count contact points that a caller is about to check; all of them or none.

        Raises:
            QuotaExceeded: they would go beyond what the key may check on this day.
            Unavailable: PostgreSQL does not tell how many it has checked already.
        """
        if caller.is_admin:
            return
        at = now()
        most = caller.checks_per_day or self._settings.key_checks_per_day
        use = await self._use(caller.key, at.date())
        if use.known + use.unsaved + points > most:
            left = max(0, most - use.known - use.unsaved)
            raise QuotaExceeded(
                f"This key may check {most} contact points a day (UTC) and has {left} left.",
                headers={"Retry-After": str(_seconds_to_midnight(at))},
            )
        use.unsaved += points

    async def flush(self) -> None:
        """Write what was counted since the last time, and learn what other processes counted.

        A key that checked nothing meanwhile is forgotten, so that its next check reads anew.
        """
        idle = [of for of, use in self._uses.items() if use.unsaved == 0]
        for of in idle:
            del self._uses[of]
        counted = {of: use.unsaved for of, use in sorted(self._uses.items())}
        for of, known in (await self._add(counted) if counted else {}).items():
            use = self._uses[of]
            use.known, use.unsaved = known, use.unsaved - counted[of]
        self._forget_full_buckets()

    async def _use(self, key: int, day: date) -> _Use:
        of = (key, day)
        use = self._uses.get(of)
        if use is None:
            known = await self._unread.ask(of)
            use = self._uses.setdefault(of, _Use(known or 0))
        return use

    async def _read(self, wanted: Sequence[tuple[int, date]]) -> Mapping[tuple[int, date], int]:
        keys = literal([key for key, _ in wanted], ARRAY(Integer))
        days = {day for _, day in wanted}
        query = select(KeyUsageRow.key, KeyUsageRow.day, KeyUsageRow.checked).where(
            KeyUsageRow.key == any_(keys), KeyUsageRow.day.in_(days)
        )
        async with self._database.reading() as session:
            return {(key, day): checked for key, day, checked in await session.execute(query)}

    async def _add(self, counted: Mapping[tuple[int, date], int]) -> dict[tuple[int, date], int]:
        async with self._database.transaction() as session:
            rows = await session.execute(
                text("""
                    INSERT INTO key_usage AS u (key, day, checked)
                    SELECT * FROM unnest(CAST(:keys AS int4[]), CAST(:days AS date[]),
                                         CAST(:counts AS int8[]))
                    ON CONFLICT (key, day) DO UPDATE SET checked = u.checked + excluded.checked
                    RETURNING key, day, checked
                """),
                {
                    "keys": [key for key, _ in counted],
                    "days": [day for _, day in counted],
                    "counts": list(counted.values()),
                },
            )
            return {(row.key, row.day): row.checked for row in rows}

    def _forget_full_buckets(self) -> None:
        """Drop the buckets of keys that made no request for a second: they are full again."""
        idle = time.monotonic() - 1
        self._buckets = {
            key: bucket for key, bucket in self._buckets.items() if bucket.filled_at > idle
        }


def _seconds_to_midnight(at: datetime) -> int:
    tomorrow = datetime.combine(at.date(), datetime.min.time(), UTC) + timedelta(days=1)
    return max(1, math.ceil((tomorrow - at).total_seconds()))
