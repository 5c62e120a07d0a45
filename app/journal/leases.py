"""Leases: who may tell a follower on a lane, and for how long.

A lane of a follower is held by one worker at a time, under a fence that each claim raises and that
whoever changes the follower from outside raises too. The main lane's lease stands in the
follower's own row, the express lane's in a row of its own, so that one request may be under way
on either. A worker that holds leases holds an advisory lock too, which PostgreSQL frees when the
worker is gone.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from .followers import FollowerState, state_of

if TYPE_CHECKING:
    from app.platform.db import RawConnection

LaneName = Literal["main", "express"]
"""A way by which a follower is told; entries have lanes of their own, live and bulk."""

_ROWS: dict[LaneName, tuple[str, str]] = {
    "main": ("followers", "id"),
    "express": ("express_lanes", "follower"),
}


def _on_each_lane(statement: str) -> dict[LaneName, TextClause]:
    return {
        lane: text(statement.replace("{rows}", rows).replace("{id}", number))
        for lane, (rows, number) in _ROWS.items()
    }


async def claim(
    session: AsyncSession,
    *,
    most: int,
    lease: timedelta,
    due_by: int,
    busy: Collection[int] = (),
    worker: int | None = None,
) -> list[FollowerState]:
    """Take the main leases of pushed followers that nobody holds, are due and behind ``due_by``.

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
                SET fence = fence + 1, holder = fence + 1, lease_until = now() + :lease,
                    worker = :worker
                FROM free WHERE followers.id = free.id RETURNING followers.*
            )
            SELECT f.*, s.kinds, s.media, s.brands FROM taken f
            JOIN follower_scopes s ON s.follower = f.id AND s.generation = f.generation
        """),
        {"most": most, "lease": lease, "due_by": due_by, "busy": list(busy), "worker": worker},
    )
    return [state_of(row) for row in rows]


_RENEW = _on_each_lane("""
    UPDATE {rows} f SET lease_until = now() + :lease
    FROM unnest(CAST(:ids AS int2[]), CAST(:fences AS int8[])) AS h (id, fence)
    WHERE f.{id} = h.id AND f.fence = h.fence AND f.holder = h.fence RETURNING f.{id}
""")


async def renew(
    session: AsyncSession, held: dict[int, int], *, lease: timedelta, lane: LaneName = "main"
) -> frozenset[int]:
    """Prolong leases held under their fences; returns those that are still held."""
    rows = await session.execute(
        _RENEW[lane],
        {"ids": list(held), "fences": list(held.values()), "lease": lease},
    )
    return frozenset(rows.scalars())


_RELEASE = _on_each_lane("""
    UPDATE {rows} f SET lease_until = NULL, holder = NULL
    FROM unnest(CAST(:ids AS int2[]), CAST(:fences AS int8[])) AS h (id, fence)
    WHERE f.{id} = h.id AND f.holder = h.fence
""")


async def release(session: AsyncSession, held: dict[int, int], *, lane: LaneName = "main") -> None:
    """Give leases back that were taken under these fences, whatever the fences are now."""
    await session.execute(_RELEASE[lane], {"ids": list(held), "fences": list(held.values())})


async def is_held(session: AsyncSession, follower: int) -> bool:
    """Tell whether somebody holds a lane of it, and may have a request under way."""
    held = await session.scalar(
        text("""
            SELECT coalesce(greatest(f.lease_until, x.lease_until) > now(), false)
            FROM followers f LEFT JOIN express_lanes x ON x.follower = f.id WHERE f.id = :id
        """),
        {"id": follower},
    )
    return bool(held)


_PRESENT = 20_261_122
"""The class of the advisory locks by which workers say that they live; their number is the key."""


async def take_presence(connection: "RawConnection", worker: int, *, already: bool) -> bool:
    """Take, on a connection of its own, the lock that says that a worker lives.

    ``already``: it was taken on this connection, which is only asked whether it still answers.

    Returns:
        Whether it is taken on this connection.
    """
    if already:
        return bool(await connection.fetchval("SELECT true"))
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _PRESENT, worker))


_ABSENT = text("""
SELECT w.worker FROM (
    SELECT worker FROM followers WHERE lease_until > now()
    UNION SELECT worker FROM express_lanes WHERE lease_until > now()
) w WHERE w.worker IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid = :present AND l.objsubid = 2 AND l.granted
      AND l.objid = CAST(CAST(w.worker AS int8) AS oid)
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
""")


async def absent_workers(session: AsyncSession) -> frozenset[int]:
    """List the workers that hold leases, and whose lock is free."""
    rows = await session.execute(_ABSENT, {"present": _PRESENT})
    return frozenset(rows.scalars())


_VOID = _on_each_lane("""
    UPDATE {rows} SET lease_until = NULL, holder = NULL WHERE worker = ANY(:workers)
""")


async def void_leases(session: AsyncSession, workers: Collection[int]) -> None:
    """Take from workers that are gone whatever they held; their fences are raised by the next."""
    for statement in _VOID.values():
        await session.execute(statement, {"workers": list(workers)})
