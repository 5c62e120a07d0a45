"""Meters of keys: what one may check, scrub and take as snapshots a day (UTC), and what is usual.

The limits of a key are its own or those of the settings. Beside them stands its own past: a key
that asks for a hundred times what it uses on a median day was stolen or runs wild, so it is
refused until the day ends, and the alarm is raised. Keys with scope ``admin`` have no limits.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from sqlalchemy import Row, TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.alarms import raise_alarm
from app.platform.db import Database
from app.platform.logs import get_logger
from app.platform.metrics import counter
from app.platform.problems import Problem
from app.settings import Settings

from .audit import note
from .tables import KeyRow

Meter = Literal["checks", "rows", "snapshots"]

UNUSUAL: Final = 100
"""How many times its median day a key must ask for to be refused."""
KNOWN_DAYS: Final = 14
"""Days of use that must be known before there is a median."""
_DAY_SECONDS = 86_400
_COLUMNS: dict[Meter, str] = {"checks": "checked", "rows": "rows", "snapshots": "snapshots"}
_NOUNS: dict[Meter, str] = {
    "checks": "check {:d} contact points",
    "rows": "scrub {:d} rows",
    "snapshots": "take {:d} snapshots",
}

log = get_logger(__name__)
_ALARMS = counter("optout_unusual_use_total", "Keys refused for unusual use", ("meter",))
for _meter in _COLUMNS:
    # From 0 on: Prometheus sees no increase in a series that begins with its first alarm.
    _ALARMS.labels(_meter)


class QuotaExceeded(Problem):
    """The key has used up what it may do in a second, or check, scrub or take in a day (UTC).

    Nothing was done. Ask again after `Retry-After` seconds; until then treat the contact as
    blocked. `violated-policies` names the limit, as the header `RateLimit-Policy` does.
    """

    type = "quota-exceeded"
    title = "The key's quota is used up"
    status = 429


class UnusualUse(Problem):
    """The key asks for more than a hundred times what it uses on a median day.

    Nothing was done, and whoever runs the registry was told, because a stolen key looks like
    this. The key goes on within what is usual, and the limit ends with the day (UTC). Where the
    use is meant, ask for a new key: it has no past.
    """

    type = "abnormal-usage-detected"
    title = "The key asks for far more than it ever did"
    status = 429


@dataclass(frozen=True, slots=True)
class Allowance:
    """How a key stands with one of its limits: ``left`` of ``most``, for so many seconds."""

    policy: str
    most: int
    left: int
    seconds: int
    window: int = _DAY_SECONDS

    @property
    def headers(self) -> dict[str, str]:
        """Write it as draft-ietf-httpapi-ratelimit-headers-11 does."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.most};w={self.window}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.seconds}',
        }

    @property
    def refusal(self) -> dict[str, str]:
        """Write the headers of a refusal."""
        return {"Retry-After": str(self.seconds), **self.headers}


@dataclass(frozen=True, slots=True)
class Use:
    """What a key has used on a day; ``usual`` is a hundred median days, None while unknown."""

    used: int
    usual: int | None


def weigh(
    meter: Meter, amount: int, *, used: int, most: int, usual: int | None, at: datetime
) -> Allowance:
    """Tell what is left of a day once so much more is used.

    Raises:
        QuotaExceeded: it would go beyond the limit.
        UnusualUse: it would go beyond what is usual for the key.
    """
    seconds = _seconds_to_midnight(at)
    narrowest = most if usual is None else min(most, usual)
    if used + amount > narrowest:
        left = max(0, narrowest - used)
        found = Allowance(meter, most, left, seconds)
        doing = _NOUNS[meter].format(narrowest)
        refusal, said = (
            (QuotaExceeded, f"This key may {doing} a day (UTC) and has {left} left.")
            if narrowest == most
            else (UnusualUse, f"This key never came near to this: it may {doing} today (UTC).")
        )
        raise refusal(said, headers=found.refusal, extra={"violated-policies": [meter]})
    return Allowance(meter, most, narrowest - used - amount, seconds)


async def charge(
    database: Database, key: int, meter: Meter, amount: int, *, at: datetime
) -> Allowance | None:
    """Count what a key is about to use; all of it or nothing, exact over all processes.

    A transaction of its own: call it outside of others, before the work. ``key`` is
    ``Caller.key``, the number of a key's row. A key of scope ``admin`` is counted and never
    refused: None.

    Raises:
        QuotaExceeded: it would go beyond what the key may use on this day.
        UnusualUse: it would go beyond a hundred times what the key uses on a median day.
    """
    try:
        async with database.transaction() as session:
            limit = await _limit(session, database.settings, key, meter)
            use = await _count(session, key, meter, amount, day=at.date())
            if limit is None:
                return None
            used = use.used - amount
            return weigh(meter, amount, used=used, most=limit, usual=use.usual, at=at)
    except UnusualUse:
        await raise_unusual(database, key, meter, amount, at=at)
        raise


async def raise_unusual(
    database: Database, key: int, meter: Meter, amount: int, *, at: datetime
) -> None:
    """Tell once a day that a key asks for far more than usual: the operators, and the audit."""
    async with database.transaction() as session:
        first = await session.execute(
            text("""
                INSERT INTO key_usage AS u (key, day, alarmed)
                VALUES (:key, :day, ARRAY[CAST(:meter AS text)])
                ON CONFLICT (key, day) DO UPDATE SET alarmed = u.alarmed || excluded.alarmed
                WHERE NOT u.alarmed @> excluded.alarmed
                RETURNING key
            """),
            {"key": key, "day": at.date(), "meter": meter},
        )
        if first.one_or_none() is None:
            return
        id_, name = (
            await session.execute(select(KeyRow.id, KeyRow.name).where(KeyRow.number == key))
        ).one()
        subject = f"key:{id_}"
        said = {"meter": meter, "asked": amount}
        await note(session, subject, "key.unusual-use", subject, at, **said)
        await raise_alarm(session, "key.unusual-use", at, key=str(id_), name=name, **said)
    _ALARMS.labels(meter).inc()
    log.warning("a key asks for far more than usual", key=str(id_), meter=meter, asked=amount)


def median_of(meter: Meter, key: str, day: str) -> str:
    """Write the query of a hundred median days of a key; no row while too few are known."""
    column = _COLUMNS[meter]
    return f"""
        SELECT CAST({UNUSUAL} * percentile_cont(0.5) WITHIN GROUP (ORDER BY used) AS int8) AS usual
        FROM (SELECT {column} AS used FROM key_usage k
              WHERE k.key = {key} AND k.day < {day} AND {column} > 0
              ORDER BY k.day DESC LIMIT 90) known
        HAVING count(*) >= {KNOWN_DAYS}
    """  # noqa: S608 - of parts that stand here


def _counting(meter: Meter) -> TextClause:
    column = _COLUMNS[meter]
    return text(f"""
        INSERT INTO key_usage AS u (key, day, {column}) VALUES (:key, :day, :amount)
        ON CONFLICT (key, day) DO UPDATE SET {column} = u.{column} + excluded.{column}
        RETURNING u.{column} AS used, ({median_of(meter, ":key", ":day")}) AS usual
    """)  # noqa: S608 - of parts that stand here


_COUNT = {meter: _counting(meter) for meter in _COLUMNS}


async def _count(session: AsyncSession, key: int, meter: Meter, amount: int, *, day: date) -> Use:
    asked = {"key": key, "day": day, "amount": amount}
    row: Row[int, int | None] = (await session.execute(_COUNT[meter], asked)).one()
    return Use(row.used, row.usual)


async def _limit(session: AsyncSession, settings: Settings, key: int, meter: Meter) -> int | None:
    found = await session.execute(
        text("""
            SELECT 'admin' = ANY(scopes) AS free, checks_per_day AS checks, rows_per_day AS rows,
                   snapshots_per_day AS snapshots
            FROM keys WHERE number = :key
        """),
        {"key": key},
    )
    row = found.mappings().one()
    default: int = getattr(settings, f"key_{meter}_per_day")
    return None if row["free"] else row[meter] or default


def _seconds_to_midnight(at: datetime) -> int:
    return _DAY_SECONDS - (at.hour * 60 + at.minute) * 60 - at.second
