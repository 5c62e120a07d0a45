"""Quotas of keys: requests a second in this process, contact points checked a day in all.

The list is itself a target: a stolen key must not be able to ask for the whole country overnight.
Keys with scope ``admin`` have none. What is used rarely, and much at a time, is counted in
``meters``.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from app.platform.clock import now
from app.platform.db import Database
from app.platform.merged import Merged

from .caller import Caller
from .meters import Allowance, QuotaExceeded, UnusualUse, Use, median_of, raise_unusual, weigh

_USE = f"""
SELECT w.key, w.day, coalesce(u.checked, 0) AS checked, usual
FROM unnest(CAST(:keys AS int4[]), CAST(:days AS date[])) AS w (key, day)
LEFT JOIN key_usage u ON u.key = w.key AND u.day = w.day
LEFT JOIN LATERAL ({median_of("checks", "w.key", "w.day")}) past ON true
"""  # noqa: S608 - of parts that stand here


@dataclass(slots=True)
class _Bucket:
    """Requests that a key may still make; it refills with time, up to one second's worth."""

    left: float
    filled_at: float


@dataclass(slots=True)
class _Checked:
    """What a key has checked on a day: in all as last read, and here since then."""

    known: int
    usual: int | None
    unsaved: int = 0
    alarmed: bool = False


class Quotas:
    """The use of all keys in one process, shared with other processes about once a second.

    A process that is killed loses at most the last second's count; the rest survives.
    """

    def __init__(self, database: Database) -> None:
        """Take the database, whose settings hold the limits of keys without their own."""
        self._database = database
        self._settings = database.settings
        self._buckets: dict[int, _Bucket] = {}
        self._uses: dict[tuple[int, date], _Checked] = {}
        self._unread: Merged[tuple[int, date], Use] = Merged(self._read)

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
                f"This key may make {rate} requests a second.",
                headers=Allowance("requests", rate, 0, 1, window=1).refusal,
                extra={"violated-policies": ["requests"]},
            )
        bucket.left -= 1

    async def count_checked(self, caller: Caller, points: int) -> Allowance | None:
        """Count contact points that a caller is about to check; all of them or none.

        Returns:
            What is left of the day; None where there is no limit.

        Raises:
            QuotaExceeded: they would go beyond what the key may check on this day.
            UnusualUse: they would go beyond a hundred times what it checks on a median day.
            Unavailable: PostgreSQL does not tell how many it has checked already.
        """
        if caller.is_admin:
            return None
        at = now()
        most = caller.checks_per_day or self._settings.key_checks_per_day
        use = await self._use(caller.key, at.date())
        used = use.known + use.unsaved
        try:
            allowance = weigh("checks", points, used=used, most=most, usual=use.usual, at=at)
        except UnusualUse:
            if not use.alarmed:
                await raise_unusual(self._database, caller.key, "checks", points, at=at)
                use.alarmed = True
            raise
        use.unsaved += points
        return allowance

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

    async def _use(self, key: int, day: date) -> _Checked:
        of = (key, day)
        use = self._uses.get(of)
        if use is None:
            read = await self._unread.ask(of) or Use(0, None)
            use = self._uses.setdefault(of, _Checked(read.used, read.usual))
        return use

    async def _read(self, wanted: Sequence[tuple[int, date]]) -> Mapping[tuple[int, date], Use]:
        keys, days = zip(*wanted, strict=True)
        async with self._database.reading() as session:
            rows = await session.execute(text(_USE), {"keys": list(keys), "days": list(days)})
            return {(row.key, row.day): Use(row.checked, row.usual) for row in rows}

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
