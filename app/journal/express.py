"""The express lane of a follower: live entries told early, while much stands before them.

One journal, and beside the main cursor one over live entries alone. The main lane brings them
again in their place, so that this one may stop, fail or leave an entry out: nothing is lost.
It is wanted while its next batch reaches beyond what the main lane brings with its next two, or
while the main lane stands before a batch that the database refuses.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .followers import FollowerState, state_of

OUTAGE_AFTER = 3
"""Failures in a row after which nobody waits for the main lane any more."""
LEAST_REACH = 100
"""Positions that the main lane is trusted to pass soon, however small its batches are."""


@dataclass(frozen=True, slots=True)
class EarlyState:
    """A follower whose express lane was claimed; ``fence`` is that of the lane."""

    follower: FollowerState
    failures: int
    fence: int

    @property
    def id(self) -> int:
        """The follower's number."""
        return self.follower.id


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the express lane may bring now: at most so many live entries after a position.

    ``told`` is where its cursor stands; the main lane may be beyond it. ``wanted``: see above;
    ``outage``: because the main lane is being refused.
    """

    told: int
    after: int
    most: int
    wanted: bool
    outage: bool


@dataclass(frozen=True, slots=True)
class EarlyStep:
    """What a holder of an express lane wants to write: from where its cursor was to where it is.

    ``acknowledged``: the live entries after ``after`` up to ``upto`` are proven; else they are
    passed over, for the main lane to bring.
    """

    follower: int
    fence: int
    told_before: int
    after: int
    upto: int
    acknowledged: bool
    batch_limit: int
    at: datetime


_AFTER = "greatest(x.told, f.acknowledged, f.scanned)"
_OUTAGE = f"(f.failures >= {OUTAGE_AFTER} AND f.refused)"
# In an outage the main lane's small batches are no measure: it stands.
_MOST = f"CASE WHEN {_OUTAGE} THEN x.batch_limit ELSE least(x.batch_limit, f.batch_limit) END"
_REACH = f"greatest(2 * f.batch_limit, {LEAST_REACH})"
# A backlog of live entries alone is drained by the main lane as fast as by this one.
_WANTED = f"""(
    {_OUTAGE} AND :live > {_AFTER}
    OR f.failures = 0 AND :live > greatest(x.told, f.acknowledged, f.scanned + {_REACH})
       AND f.scanned + {_REACH} < coalesce((
           SELECT position FROM journal_entries
           WHERE lane = 1 AND position + 0 > {_AFTER}
           ORDER BY position + 0 OFFSET {_MOST} - 1 LIMIT 1
       ), :live)
)"""  # noqa: S608 - made of the names above
_PARKED = """EXISTS (
    SELECT FROM parked_entries p WHERE p.follower = f.id AND p.due_at <= now()
)"""

_CLAIM = text(f"""
WITH free AS (
    SELECT x.follower FROM express_lanes x JOIN followers f ON f.id = x.follower
    WHERE f.pushed AND NOT f.paused AND x.due_at <= now()
      AND (x.lease_until IS NULL OR x.lease_until < now()) AND x.follower <> ALL(:busy)
      AND ({_WANTED} OR {_PARKED})
    ORDER BY x.due_at LIMIT :most FOR UPDATE OF x SKIP LOCKED
), taken AS (
    UPDATE express_lanes x
    SET fence = fence + 1, holder = fence + 1, lease_until = now() + :lease, worker = :worker
    FROM free WHERE x.follower = free.follower RETURNING x.follower, x.fence, x.failures
)
SELECT f.*, s.kinds, s.media, s.brands, x.fence AS early_fence, x.failures AS early_failures
FROM taken x JOIN followers f ON f.id = x.follower
JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
""")  # noqa: S608 - as above


async def claim_early(
    session: AsyncSession,
    *,
    most: int,
    lease: timedelta,
    live: int,
    busy: Collection[int] = (),
    worker: int | None = None,
) -> list[EarlyState]:
    """Take the express leases of pushed followers that nobody holds, and that are wanted.

    ``live`` is the position of the last live entry. A parked entry that is due wants it too.
    """
    rows = await session.execute(
        _CLAIM,
        {"most": most, "lease": lease, "live": live, "busy": list(busy), "worker": worker},
    )
    return [EarlyState(state_of(row), row.early_failures, row.early_fence) for row in rows]


_AHEAD = text(f"""
SELECT x.told, {_AFTER} AS after, {_MOST} AS most, {_WANTED} AS wanted, {_OUTAGE} AS outage
FROM express_lanes x JOIN followers f ON f.id = x.follower WHERE f.id = :id
""")  # noqa: S608 - as above


async def look_ahead(session: AsyncSession, follower: int, *, live: int) -> Ahead | None:
    """Tell what the express lane of a follower may bring now; None if it is followed no more."""
    row = (await session.execute(_AHEAD, {"id": follower, "live": live})).one_or_none()
    return None if row is None else Ahead(row.told, row.after, row.most, row.wanted, row.outage)


_ADVANCE = text("""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ids AS int2[]), CAST(:fences AS int8[]), CAST(:befores AS int8[]),
        CAST(:afters AS int8[]), CAST(:uptos AS int8[]), CAST(:acknowledgeds AS bool[]),
        CAST(:limits AS int4[]), CAST(:ats AS timestamptz[])
    ) AS g (id, fence, before, after, upto, acknowledged, batch_limit, at)
), old AS (
    SELECT x.follower, f.generation FROM express_lanes x
    JOIN given g ON g.id = x.follower JOIN followers f ON f.id = x.follower
    WHERE x.fence = g.fence AND x.told = g.before ORDER BY x.follower FOR UPDATE OF x
), advanced AS (
    UPDATE express_lanes x
    SET told = g.upto, batch_limit = g.batch_limit,
        failures = CASE WHEN g.acknowledged THEN 0 ELSE x.failures END
    FROM given g JOIN old ON old.follower = g.id WHERE x.follower = g.id
), proven AS (
    INSERT INTO early_acknowledgements (follower, generation, upto, after, at)
    SELECT g.id, old.generation, g.upto, g.after, g.at
    FROM given g JOIN old ON old.follower = g.id WHERE g.acknowledged AND g.upto > g.after
)
SELECT follower FROM old
""")


async def advance_early(session: AsyncSession, steps: Sequence[EarlyStep]) -> frozenset[int]:
    """Move express cursors, each only if its fence and place are still what the holder thinks.

    Returns:
        The followers whose cursors were moved; the rest was refused.
    """
    rows = await session.execute(
        _ADVANCE,
        {
            "ids": [step.follower for step in steps],
            "fences": [step.fence for step in steps],
            "befores": [step.told_before for step in steps],
            "afters": [step.after for step in steps],
            "uptos": [step.upto for step in steps],
            "acknowledgeds": [step.acknowledged for step in steps],
            "limits": [step.batch_limit for step in steps],
            "ats": [step.at for step in steps],
        },
    )
    return frozenset(rows.scalars())


async def put_off_early(
    session: AsyncSession, follower: int, fence: int, *, wait: timedelta, batch_limit: int
) -> bool:
    """Count a failure of the express lane and plan its next try; False if the fence was raised.

    The main lane goes on, and what is shown of the database is what the main lane says.
    """
    moved = await session.scalar(
        text("""
            UPDATE express_lanes SET failures = failures + 1, due_at = now() + :wait,
                batch_limit = :batch_limit
            WHERE follower = :id AND fence = :fence RETURNING true
        """),
        {"id": follower, "fence": fence, "wait": wait, "batch_limit": batch_limit},
    )
    return bool(moved)


async def holds_early(session: AsyncSession, follower: int, fence: int) -> bool:
    """Tell whether the express lane is still held under a fence; nobody takes it meanwhile."""
    held = await session.scalar(
        text("SELECT fence = :fence FROM express_lanes WHERE follower = :id FOR UPDATE"),
        {"id": follower, "fence": fence},
    )
    return bool(held)
