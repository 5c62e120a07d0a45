"""Who follows the journal: registered, changed, paused, told again.

A follower is one row, whoever it is: a thousand of them cost the write path nothing, and a dead
one costs one integer. Whoever moves a cursor holds a lease with a fence: a worker that was
stopped past its lease finds the fence raised, and its word is refused. Whoever changes a follower
from outside raises the fences of both lanes, and leaves the leases: the holder may have a request
under way, and gives them back when that has ended.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
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

    What it acknowledged stays as proof; cursors given before expire. Live entries that it had not
    acknowledged are due early, the others when the main lane comes to them.
    """
    await session.execute(
        text("""
            WITH old AS (
                SELECT id, greatest(scanned, acknowledged) AS heard
                FROM followers WHERE id = :id FOR UPDATE
            )
            UPDATE express_lanes x SET told = greatest(x.told, old.heard), failures = 0,
                due_at = now(), fence = fence + 1
            FROM old WHERE x.follower = old.id
        """),
        {"id": follower},
    )
    await session.execute(
        text("""
            WITH unparked AS (DELETE FROM parked_entries WHERE follower = :id)
            UPDATE followers SET generation = generation + 1, scanned = 0, told = 0,
                acknowledged = 0, pushed = :pushed, failures = 0, begun_at = now(), due_at = now(),
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
    """Tell everything after a position again; what is proven stays proven.

    The main lane tells it; the express lane does not go back.
    """
    await session.execute(
        text("""
            UPDATE followers SET told = least(told, :to), scanned = least(scanned, :to),
                replays = replays + 1, failures = 0, begun_at = now(), due_at = now(),
                fence = fence + 1
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
            WITH paused AS (
                UPDATE followers SET paused = true, fence = fence + 1
                WHERE id = :id AND fence = coalesce(CAST(:fence AS int8), fence) RETURNING id
            ), early AS (
                UPDATE express_lanes x SET fence = fence + 1
                FROM paused WHERE x.follower = paused.id
            )
            SELECT true FROM paused
        """),
        {"id": follower, "fence": fence},
    )
    return bool(paused)


async def interrupt(session: AsyncSession, follower: int) -> None:
    """Take a follower from whoever holds it, so that it is read anew before the next request."""
    await session.execute(
        text("""
            WITH early AS (
                UPDATE express_lanes SET fence = fence + 1 WHERE follower = :id
            )
            UPDATE followers SET fence = fence + 1 WHERE id = :id
        """),
        {"id": follower},
    )


async def resume(session: AsyncSession, follower: int) -> None:
    """Go on telling a follower, at once, from where it was."""
    await session.execute(
        text("""
            WITH early AS (
                UPDATE express_lanes SET failures = 0, due_at = now() WHERE follower = :id
            ), parked AS (
                UPDATE parked_entries SET due_at = now() WHERE follower = :id
            )
            UPDATE followers SET paused = false, failures = 0, due_at = now() WHERE id = :id
        """),
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
    return {row.id: state_of(row) for row in rows}


def state_of(row: Row[Any]) -> FollowerState:
    """Read a row of followers that is joined with its present scope."""
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
