"""How far each follower is: registration, leases, cursors, acknowledgements.

A follower is one row, whoever it is: a thousand of them cost the write path nothing, and a dead
one costs one integer. Whoever moves a cursor holds a lease with a fence: a worker that was
stopped past its lease finds the fence raised, and its word is refused. Whoever changes a follower
from outside raises the fence too, and leaves the lease: the holder may have a request under way,
and gives it back when that has ended.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from .entries import Scope
from .words import Kind, Media

FIRST_BATCH = 500


@dataclass(frozen=True, slots=True)
class FollowerState:
    """A follower as it stands; positions as described in ``tables.Follower``."""

    id: int
    generation: int
    scope: Scope
    registered_after: int
    scanned: int
    told: int
    acknowledged: int
    pushed: bool
    paused: bool
    replays: int
    failures: int
    batch_limit: int
    due_at: datetime
    fence: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a lease holder wants to write: from where it was to where it is.

    ``acknowledged`` is the new position that has a proof, None when nothing was acknowledged.
    """

    follower: int
    fence: int
    told_before: int
    told: int
    scanned: int
    acknowledged: int | None
    batch_limit: int
    at: datetime


_STATE = """
SELECT f.*, s.kinds, s.media, s.brands FROM followers f
JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
"""


async def follow(
    session: AsyncSession, follower: int, scope: Scope, *, after: int, pushed: bool
) -> None:
    """Begin to follow the journal; entries up to ``after`` are taken as known."""
    await session.execute(
        text("""
            INSERT INTO followers (id, registered_after, scanned, told, acknowledged, pushed,
                                   batch_limit)
            SELECT CAST(:id AS int2), position, CAST(:after AS int8), CAST(:after AS int8),
                   CAST(:after AS int8), CAST(:pushed AS bool), CAST(:batch_limit AS int4)
            FROM journal_head
        """),
        {"id": follower, "after": after, "pushed": pushed, "batch_limit": FIRST_BATCH},
    )
    await _write_scope(session, follower, scope)
    # What stands there already is brought by the main lane: nobody waits for it any more.
    await session.execute(
        text("""
            INSERT INTO express_lanes (follower, told)
            SELECT id, registered_after FROM followers WHERE id = :id
        """),
        {"id": follower},
    )


async def restart(session: AsyncSession, follower: int, scope: Scope, *, pushed: bool) -> None:
    """Start a follower again from the beginning, because its registration changed.

    What it acknowledged stays as proof; cursors given before expire.
    """
    await session.execute(
        text("""
            UPDATE followers SET generation = generation + 1, scanned = 0, told = 0,
                acknowledged = 0, pushed = :pushed, failures = 0, due_at = now(),
                fence = fence + 1
            WHERE id = :id
        """),
        {"id": follower, "pushed": pushed},
    )
    await _write_scope(session, follower, scope)


async def _write_scope(session: AsyncSession, follower: int, scope: Scope) -> None:
    await session.execute(
        text("""
            INSERT INTO follower_scopes (follower, generation, kinds, media, brands)
            SELECT id, generation, CAST(:kinds AS int2), CAST(:media AS int2),
                   CAST(:brands AS int2[])
            FROM followers WHERE id = :id
        """),
        {
            "id": follower,
            "kinds": scope.kind_bits,
            "media": int(scope.media),
            "brands": None if scope.brands is None else list(scope.brands),
        },
    )


async def unfollow(session: AsyncSession, follower: int) -> None:
    """Stop to follow; the acknowledgements stay."""
    await session.execute(text("DELETE FROM followers WHERE id = :id"), {"id": follower})


async def rewind(session: AsyncSession, follower: int, *, to: int) -> None:
    """Tell everything after a position again; what is proven stays proven."""
    await session.execute(
        text("""
            UPDATE followers SET told = least(told, :to), scanned = least(scanned, :to),
                replays = replays + 1, failures = 0, due_at = now(), fence = fence + 1
            WHERE id = :id
        """),
        {"id": follower, "to": to},
    )


async def pause(session: AsyncSession, follower: int, *, fence: int | None = None) -> bool:
    """Tell a follower nothing more until it is resumed; its place is kept.

    Returns:
        False, and nothing is paused, if a fence is given and it was raised since.
    """
    paused = await session.scalar(
        text("""
            UPDATE followers SET paused = true, fence = fence + 1
            WHERE id = :id AND fence = coalesce(CAST(:fence AS int8), fence) RETURNING true
        """),
        {"id": follower, "fence": fence},
    )
    return bool(paused)


async def is_held(session: AsyncSession, follower: int) -> bool:
    """Tell whether somebody holds the lease, and may have a request under way."""
    held = await session.scalar(
        text("SELECT lease_until > now() FROM followers WHERE id = :id"), {"id": follower}
    )
    return bool(held)


async def interrupt(session: AsyncSession, follower: int) -> None:
    """Take a follower from whoever holds it, so that it is read anew before the next request."""
    await session.execute(
        text("UPDATE followers SET fence = fence + 1 WHERE id = :id"),
        {"id": follower},
    )


async def resume(session: AsyncSession, follower: int) -> None:
    """Go on telling a follower, at once, from where it was."""
    await session.execute(
        text("UPDATE followers SET paused = false, failures = 0, due_at = now() WHERE id = :id"),
        {"id": follower},
    )


async def read_followers(
    session: AsyncSession, ids: Collection[int] | None = None
) -> dict[int, FollowerState]:
    """Read some followers, or all."""
    rows = await session.execute(
        text(f"{_STATE} WHERE CAST(:ids AS int2[]) IS NULL OR f.id = ANY(:ids)"),
        {"ids": None if ids is None else list(ids)},
    )
    return {row.id: _state(row) for row in rows}


async def claim(
    session: AsyncSession,
    *,
    most: int,
    lease: timedelta,
    due_by: int,
    busy: Collection[int] = (),
) -> list[FollowerState]:
    """Take the leases of pushed followers that nobody holds, are due and behind ``due_by``.

    Those that are ``busy`` are left alone.
    """
    rows = await session.execute(
        text("""
            WITH free AS (
                SELECT id FROM followers
                WHERE pushed AND NOT paused AND due_at <= now() AND scanned < :due_by
                  AND (lease_until IS NULL OR lease_until < now()) AND id <> ALL(:busy)
                ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
            ), taken AS (
                UPDATE followers
                SET fence = fence + 1, holder = fence + 1, lease_until = now() + :lease
                FROM free WHERE followers.id = free.id RETURNING followers.*
            )
            SELECT f.*, s.kinds, s.media, s.brands FROM taken f
            JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
        """),
        {"most": most, "lease": lease, "due_by": due_by, "busy": list(busy)},
    )
    return [_state(row) for row in rows]


async def renew(session: AsyncSession, held: dict[int, int], *, lease: timedelta) -> frozenset[int]:
    """Prolong leases held under their fences; returns those that are still held."""
    rows = await session.execute(
        text("""
            UPDATE followers f SET lease_until = now() + :lease
            FROM unnest(CAST(:ids AS int2[]), CAST(:fences AS int8[])) AS h (id, fence)
            WHERE f.id = h.id AND f.fence = h.fence AND f.holder = h.fence RETURNING f.id
        """),
        {"ids": list(held), "fences": list(held.values()), "lease": lease},
    )
    return frozenset(rows.scalars())


async def release(session: AsyncSession, held: dict[int, int]) -> None:
    """Give leases back that were taken under these fences, whatever the fences are now."""
    await session.execute(
        text("""
            UPDATE followers f SET lease_until = NULL, holder = NULL
            FROM unnest(CAST(:ids AS int2[]), CAST(:fences AS int8[])) AS h (id, fence)
            WHERE f.id = h.id AND f.holder = h.fence
        """),
        {"ids": list(held), "fences": list(held.values())},
    )


_ADVANCE = text("""
WITH given AS (
    SELECT * FROM unnest(
        CAST(:ids AS int2[]), CAST(:fences AS int8[]), CAST(:befores AS int8[]),
        CAST(:tolds AS int8[]), CAST(:scanneds AS int8[]), CAST(:acknowledgeds AS int8[]),
        CAST(:limits AS int4[]), CAST(:ats AS timestamptz[])
    ) AS g (id, fence, before, told, scanned, acknowledged, batch_limit, at)
), old AS (
    SELECT f.id, f.acknowledged, f.generation FROM followers f JOIN given g ON g.id = f.id
    WHERE f.fence = g.fence AND f.told = g.before ORDER BY f.id FOR UPDATE OF f
), advanced AS (
    UPDATE followers f
    SET told = g.told, scanned = g.scanned, batch_limit = g.batch_limit,
        failures = CASE WHEN g.acknowledged IS NULL THEN f.failures ELSE 0 END,
        acknowledged = greatest(f.acknowledged, coalesce(g.acknowledged, f.acknowledged))
    FROM given g JOIN old ON old.id = g.id WHERE f.id = g.id
), proven AS (
    INSERT INTO acknowledgements (follower, generation, upto, after, at)
    SELECT g.id, old.generation, g.acknowledged, old.acknowledged, g.at
    FROM given g JOIN old ON old.id = g.id WHERE g.acknowledged > old.acknowledged
)
SELECT id FROM old
""")


async def advance(session: AsyncSession, steps: Sequence[Step]) -> frozenset[int]:
    """Move cursors, each only if its fence and its place are still what the holder thinks.

    What goes beyond the highest acknowledged position is kept as proof with its time. Failures are
    forgotten where something was acknowledged.

    Returns:
        The followers that were moved; the rest was refused.
    """
    rows = await session.execute(
        _ADVANCE,
        {
            "ids": [step.follower for step in steps],
            "fences": [step.fence for step in steps],
            "befores": [step.told_before for step in steps],
            "tolds": [step.told for step in steps],
            "scanneds": [step.scanned for step in steps],
            "acknowledgeds": [step.acknowledged for step in steps],
            "limits": [step.batch_limit for step in steps],
            "ats": [step.at for step in steps],
        },
    )
    return frozenset(rows.scalars())


async def put_off(
    session: AsyncSession, follower: int, fence: int, *, wait: timedelta, batch_limit: int
) -> bool:
    """Count a failure and plan the next try; False if the fence was raised."""
    moved = await session.scalar(
        text("""
            UPDATE followers SET failures = failures + 1, due_at = now() + :wait,
                batch_limit = :batch_limit
            WHERE id = :id AND fence = :fence RETURNING true
        """),
        {"id": follower, "fence": fence, "wait": wait, "batch_limit": batch_limit},
    )
    return bool(moved)


async def pass_over(session: AsyncSession, follower: FollowerState, upto: int) -> None:
    """Move a follower's place over entries that do not concern it, unless it moved meanwhile."""
    await session.execute(
        text("""
            UPDATE followers SET scanned = :upto
            WHERE id = :id AND generation = :generation AND scanned = :scanned
        """),
        {
            "id": follower.id,
            "generation": follower.generation,
            "scanned": follower.scanned,
            "upto": upto,
        },
    )


async def acknowledge(session: AsyncSession, follower: int, position: int, at: datetime) -> None:
    """Record that a follower has said by itself that it applied everything up to a position.

    It never moves back. A worker that holds the follower begins again from here.
    """
    await session.execute(
        text("""
            WITH old AS (
                SELECT id, generation, acknowledged FROM followers
                WHERE id = :id AND least(told, acknowledged) < :position FOR UPDATE
            ), moved AS (
                UPDATE followers f
                SET told = greatest(told, CAST(:position AS int8)),
                    scanned = greatest(scanned, CAST(:position AS int8)),
                    acknowledged = greatest(f.acknowledged, CAST(:position AS int8)),
                    fence = fence + 1
                FROM old WHERE f.id = old.id
            )
            INSERT INTO acknowledgements (follower, generation, upto, after, at)
            SELECT id, generation, CAST(:position AS int8), acknowledged, CAST(:at AS timestamptz)
            FROM old
            WHERE acknowledged < :position
        """),
        {"id": follower, "position": position, "at": at},
    )


def _state(row: Row[Any]) -> FollowerState:
    return FollowerState(
        id=row.id,
        generation=row.generation,
        scope=Scope(
            frozenset(kind for kind in Kind if row.kinds >> kind & 1),
            Media(row.media),
            None if row.brands is None else tuple(row.brands),
        ),
        registered_after=row.registered_after,
        scanned=row.scanned,
        told=row.told,
        acknowledged=row.acknowledged,
        pushed=row.pushed,
        paused=row.paused,
        replays=row.replays,
        failures=row.failures,
        batch_limit=row.batch_limit,
        due_at=row.due_at,
        fence=row.fence,
    )
