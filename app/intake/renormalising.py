"""Going over to other phone tables: contact points whose normal form changed are merged.

A check looks for the form that its process's tables give, and an opt-out stands under the form
that its process's tables gave. Processes with older and with newer tables would miss each other's,
so there is a cut: before it the older ones serve, after it they neither answer nor write, and the
newer ones begin when everybody stands where they look. Between the two, for as long as it takes
to merge what changed, nobody is answered.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import merge_contacts
from app.platform.clock import now
from app.platform.db import Database
from app.points import (
    PointKeys,
    Read,
    find_stale,
    merge_stale,
    raise_fence,
    read_again,
    set_phone_tables,
)
from app.registry import merge_grounds

_CHUNK = 100
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Renormalised:
    """How many phones were merged into others, and how many erased ones cannot be read again."""

    merged: int
    unreadable: int


@dataclass(slots=True)
class _Renormalising:
    """One run, and what it has found so far."""

    database: Database
    keys: PointKeys
    read: Read
    on_progress: Callable[[int, int], None]
    stale: list[int]
    erased: list[int]

    async def look(self, *, after: int, upto: int) -> None:
        """Find what is stale among the contact points of some numbers."""
        while True:
            async with self.database.reading() as session:
                looked = await find_stale(session, self.keys, self.read, after=after, upto=upto)
            self.stale += looked.stale
            self.erased += looked.erased
            if looked.upto is None:
                return
            after = looked.upto
            self.on_progress(after, upto)

    async def merge(self, points: Collection[int]) -> int:
        """Merge contact points that may be stale, chunk by chunk: how many were."""
        waiting, merged = list(points), 0
        while waiting:
            chunk, waiting = waiting[:_CHUNK], waiting[_CHUNK:]
            async with self.database.transaction() as session:
                merging = await merge_stale(session, self.keys, self.read, chunk)
                if merging.into:
                    into = {point: one.id for point, one in merging.into.items()}
                    await merge_contacts(session, into)
                    erased = await _hand_on_erasures(session, into)
                    await merge_grounds(session, merging.into, erased=erased, at=now())
            merged += len(merging.into)
            waiting += merging.left
        return merged


async def renormalise(
    database: Database,
    keys: PointKeys,
    *,
    read: Read = read_again,
    on_progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Renormalised:
    """Bring every phone to the normal form that this process's tables give, and take them over.

    Other processes go on with their tables while everything is looked through, and are cut off
    then. What is merged is merged for good, so a run that was interrupted is simply run again;
    until one has ended nobody is answered. Nothing is done where the tables are these already.
    """
    run = _Renormalising(database, keys, read, on_progress, [], [])
    async with database.transaction() as session:
        before = await raise_fence(session)
    if before.version == keys.tables:
        return Renormalised(0, 0)
    await run.look(after=0, upto=before.last)
    async with database.transaction() as session:
        fence = await raise_fence(session)
        if fence.version == keys.tables:
            return Renormalised(0, 0)
        await set_phone_tables(session, _NOBODY)
    # What was written since; and who was erased may have come back.
    await run.look(after=before.last, upto=fence.last)
    merged = await run.merge([*run.stale, *run.erased])
    async with database.transaction() as session:
        await set_phone_tables(session, keys.tables)
    return Renormalised(merged, len(run.erased))


async def _hand_on_erasures(session: AsyncSession, into: dict[int, int]) -> set[int]:
    """Let open erasures of contact points be about those that they are merged into."""
    given = {"points": list(into), "into": list(into.values())}
    await session.execute(
        text("""
            INSERT INTO erasure_points (erasure, point)
            SELECT e.id, g.into_point
            FROM unnest(CAST(:points AS int8[]), CAST(:into AS int8[])) AS g (point, into_point)
            JOIN erasure_points p ON p.point = g.point
            JOIN erasures e ON e.id = p.erasure AND e.completed_at IS NULL
            ON CONFLICT DO NOTHING
        """),
        given,
    )
    rows = await session.execute(
        text("""
            SELECT DISTINCT p.point FROM erasure_points p JOIN erasures e ON e.id = p.erasure
            WHERE e.completed_at IS NULL AND p.point = ANY(:into)
        """),
        given,
    )
    return set(rows.scalars())
