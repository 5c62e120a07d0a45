"""Leases: who may tell a follower on a lane, and for how long.

A lane of a follower is held by one worker at a time, under a fence that each claim raises and that
whoever changes the follower from outside raises too. The main lane's lease stands in the
follower's own row, the express lane's in a row of its own, so that one request may be under way
on either.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Literal

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from .followers import FollowerState, state_of

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
