"""How long it takes until people are left alone: many entries at many followers, counted.

Time to silence of an entry at one follower is its first acknowledgement, on either lane and in
whichever generation, less its recording; over several followers it is that of the last. A replay
changes nothing. What is counted are entries of a time, at followers that were registered when
they were recorded.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .proofs import proofs_between
from .propagation import Result
from .recalls import count_recalled
from .words import Change

_DISORDER = timedelta(minutes=5)
"""How far times of recording may be out of the order of positions: a clock that is off, a slow
transaction."""


@dataclass(frozen=True, slots=True)
class Period:
    """Entries recorded from ``begin`` to before ``end``.

    All of them stand after a position up to another, with some that were recorded outside of it.
    """

    begin: datetime
    end: datetime
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Tellings, each of one entry to one follower, and times to silence.

    ``seconds`` counts, by the time to silence in three significant digits, the entries that
    suppress and that all whom they concern have acknowledged; ``worst`` is the longest, exact.
    """

    told: int = 0
    acknowledged: int = 0
    outcomes: Mapping[Result, int] = field(default_factory=dict)
    contacts_cancelled: int = 0
    seconds: Mapping[float, int] = field(default_factory=dict)
    worst: float | None = None

    def __add__(self, other: "Silence") -> "Silence":
        """Put two together that are about different entries."""
        return Silence(
            self.told + other.told,
            self.acknowledged + other.acknowledged,
            Counter(self.outcomes) + Counter(other.outcomes),
            self.contacts_cancelled + other.contacts_cancelled,
            Counter(self.seconds) + Counter(other.seconds),
            max((one.worst for one in (self, other) if one.worst is not None), default=None),
        )

    def percentile(self, percent: int) -> float | None:
        """Tell within how many seconds so many of a hundred entries were silent; None of none."""
        left = sum(self.seconds.values()) * percent / 100
        for seconds, entries in sorted(self.seconds.items()):
            left -= entries
            if left <= 0:
                # Rounded it may be a little more than the longest.
                return min(seconds, self.worst or 0.0)
        return None


_PLACE = text("""
WITH RECURSIVE halved (low, high) AS (
    SELECT CAST(0 AS int8), position + 1 FROM journal_head WHERE number = 1
    UNION ALL
    SELECT CASE WHEN earlier THEN middle ELSE low END, CASE WHEN earlier THEN high ELSE middle END
    FROM (SELECT low, high, (low + high) / 2 AS middle FROM halved WHERE high - low > 1) h,
    LATERAL (
        SELECT recorded_at < CAST(:at AS timestamptz) + CAST(:disorder AS interval) AS earlier
        FROM journal_entries WHERE position = middle
    ) e
)
SELECT max(low) FROM halved
""")


async def find_period(session: AsyncSession, begin: datetime, end: datetime) -> Period:
    """Find the positions of a time by halving: times lie almost in the order of positions."""
    after = await session.scalar(_PLACE, {"at": begin, "disorder": -_DISORDER})
    upto = await session.scalar(_PLACE, {"at": end, "disorder": _DISORDER})
    return Period(begin, end, int(after or 0), int(upto or 0))


def _concerns(entry: str, scope: str) -> str:
    return f"""(
        {entry}.touches & {scope}.media <> 0 AND (1 << {entry}.kind) & {scope}.kinds <> 0
        AND ({entry}.brand = 0 OR {scope}.brands IS NULL OR {entry}.brand = ANY({scope}.brands))
    )"""


def _entries(begin: str, end: str, proof: str, *, also: str = "0 AS other") -> str:
    return f"""LATERAL (
        SELECT e.position, {also} FROM journal_entries e
        WHERE e.position > {begin} AND e.position <= {end}
          AND e.recorded_at >= :begin AND e.recorded_at < :end
          AND ({proof}.lane IS NULL OR e.lane = {proof}.lane) AND {_concerns("e", proof)}
        OFFSET 0
    )"""  # noqa: S608 - the arguments are names of columns


_PROOFS = proofs_between(follower="t.id", generation="t.generation", after=":after", upto=":upto")

# Followers that are told alike acknowledge alike, so their proofs are counted first and looked up
# once: else two hundred of them would read each entry two hundred times. A follower with proofs of
# two lanes or two generations is looked at by itself, for the earliest of them counts. OFFSET 0
# keeps what was counted for an entry from being counted anew at each mention, nine times over, and
# the entries of a proof behind their index.
_TALLY = text(f"""
WITH terms AS (
    SELECT f.id, s.generation, s.generation = f.generation AS present, s.kinds, s.media, s.brands,
           greatest(f.registered_after, :after) AS since, n.kinds AS present_kinds,
           n.media AS present_media, n.brands AS present_brands
    FROM followers f
    JOIN follower_scopes s ON s.follower = f.id
    JOIN follower_scopes n ON n.follower = f.id AND n.generation = f.generation
    WHERE f.id = ANY(:followers) AND f.registered_after < :upto
), followed AS MATERIALIZED (
    SELECT t.*, bool_and(NOT EXISTS (
        SELECT FROM ({_PROOFS}) p WHERE (p.lane IS NOT NULL OR NOT t.present) AND p.after < :upto
    )) OVER (PARTITION BY t.id) AS alone
    FROM terms t
), proofs AS MATERIALIZED (
    SELECT t.*, p.lane, greatest(p.after, t.since) AS after, least(p.upto, :upto) AS upto, p.at
    FROM followed t, LATERAL ({_PROOFS}) p WHERE p.upto > t.since AND p.after < :upto
), alike AS MATERIALIZED (
    SELECT kinds, media, brands, lane, after, upto, max(at) AS at,
           CAST(count(*) AS int) AS followers
    FROM proofs WHERE alone GROUP BY kinds, media, brands, lane, after, upto
), acknowledged AS (
    SELECT e.position, a.at, a.followers, 0 AS former
    FROM alike a, {_entries("a.after", "a.upto", "a")} e
    UNION ALL
    SELECT e.position, min(p.at), 1, 1 - e.present
    FROM (SELECT * FROM proofs WHERE NOT alone) p, {
    _entries(
        "p.after",
        "p.upto",
        "p",
        also="CAST((e.touches & p.present_media <> 0 AND (1 << e.kind) & p.present_kinds <> 0"
        " AND (e.brand = 0 OR p.present_brands IS NULL OR e.brand = ANY(p.present_brands)))"
        " AS int) AS present",
    )
} e GROUP BY e.position, p.id, e.present
), answers AS (
    SELECT position, max(at) AS at, CAST(sum(followers) AS int) AS followers,
           CAST(sum(former) AS int) AS former
    FROM acknowledged GROUP BY position
), audiences AS MATERIALIZED (
    SELECT kinds, media, brands, since, count(*) AS followers
    FROM followed WHERE present GROUP BY kinds, media, brands, since
), entries AS (
    SELECT e.position, e.recorded_at, e.change, (
        SELECT CAST(coalesce(sum(a.followers), 0) AS int) FROM audiences a
        WHERE e.position > a.since AND {_concerns("e", "a")}
    ) AS followers
    FROM journal_entries e
    WHERE e.position > :after AND e.position <= :upto
      AND e.recorded_at >= :begin AND e.recorded_at < :end
    OFFSET 0
), told AS (
    SELECT e.followers + coalesce(a.former, 0) AS told, coalesce(a.followers, 0) AS acknowledged,
           CASE WHEN e.change = :added AND a.followers - a.former = e.followers
                THEN greatest(0, CAST(extract(epoch FROM a.at - e.recorded_at) AS float8))
           END AS seconds
    FROM entries e LEFT JOIN answers a USING (position)
), rounded AS (
    SELECT told, acknowledged, seconds, CASE
        WHEN seconds < 0.001 THEN 0
        ELSE power(10, floor(log(seconds)) - 2) END AS digit
    FROM told
)
SELECT round(seconds / nullif(digit, 0)) * digit AS about, digit = 0 AS at_once,
       count(*) AS entries, sum(told) AS told, sum(acknowledged) AS acknowledged,
       max(seconds) AS worst
FROM rounded GROUP BY about, at_once
""")  # noqa: S608 - built in are names of tables and columns

_OUTCOMES = text(f"""
SELECT o.outcome, count(*) AS entries, coalesce(sum(o.contacts_cancelled), 0) AS cancelled
FROM outcomes o
JOIN followers f ON f.id = o.follower AND f.registered_after < o.position
JOIN journal_entries e ON e.position = o.position
WHERE o.follower = ANY(:followers) AND o.position > :after AND o.position <= :upto
  AND e.recorded_at >= :begin AND e.recorded_at < :end
  AND EXISTS (SELECT FROM follower_scopes s WHERE s.follower = f.id AND {_concerns("e", "s")})
GROUP BY o.outcome
""")  # noqa: S608 - as above


async def measure_silence(
    session: AsyncSession, period: Period, followers: Collection[int]
) -> Silence:
    """Count what some followers were told of a period, and how long it took.

    The work grows with the entries and with the acknowledgements that differ; give it a part of a
    long period at a time and add them up.
    """
    given = {
        "begin": period.begin,
        "end": period.end,
        "after": period.after,
        "upto": period.upto,
        "followers": list(followers),
    }
    # The plan that fits any period reads the whole journal for each.
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    rows = (await session.execute(_TALLY, given | {"added": Change.ADDED})).all()
    outcomes = (await session.execute(_OUTCOMES, given)).all()
    recalled = await count_recalled(
        session,
        followers,
        after=period.after,
        upto=period.upto,
        begin=period.begin,
        end=period.end,
    )
    return Silence(
        told=int(sum(row.told for row in rows)),
        acknowledged=int(sum(row.acknowledged for row in rows)),
        outcomes={Result(row.outcome): row.entries for row in outcomes},
        contacts_cancelled=int(sum(row.cancelled for row in outcomes)) + recalled,
        seconds={
            float(f"{row.about or 0:.3g}"): row.entries for row in rows if row.worst is not None
        },
        worst=max((row.worst for row in rows if row.worst is not None), default=None),
    )
