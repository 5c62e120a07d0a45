"""Writing down what came of requests: many followers' results in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import EarlyStep, LaneName, Report, Step, advance, advance_early, report
from app.platform.db import Database, Unavailable
from app.platform.ids import new_id

from .endpoints import note_result
from .measures import count_conflicts
from .tables import AttemptRow


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a database; ``status`` and ``error`` are None where there was none.

    ``detail`` and ``answer`` hold no contact point; ``duration`` is in seconds.
    """

    database: int
    at: datetime
    previous: int
    upto: int
    entries: int
    duration: float
    status: int | None = None
    error: str | None = None
    detail: str | None = None
    answer: str | None = None
    lane: LaneName | Literal["recall"] = "main"
    id: UUID = field(default_factory=new_id)


S = TypeVar("S", Step, EarlyStep)


@dataclass(frozen=True, slots=True)
class Result(Generic[S]):
    """A step forward of one follower, with the request that led to it, if there was one.

    ``healed`` tells that an error was shown until now.
    """

    step: S
    attempt: Attempt | None = None
    reports: Sequence[Report] = ()
    healed: bool = False


class Settler(Generic[S]):
    """Commits results as they come, all that wait at the moment in one transaction.

    Two transactions for every batch were measured to cost more than sending it.
    """

    def __init__(
        self,
        database: Database,
        move: Callable[[AsyncSession, list[S]], Awaitable[frozenset[int]]],
    ) -> None:
        """Take the database, and what moves the cursors of a lane."""
        self._database = database
        self._move: Callable[[AsyncSession, list[S]], Awaitable[frozenset[int]]] = move
        self._waiting: list[tuple[Result[S], asyncio.Future[bool]]] = []
        self._running: asyncio.Task[None] | None = None

    async def settle(self, result: Result[S]) -> bool:
        """Write a result down; False if its follower's fence was raised meanwhile.

        Raises:
            Unavailable: PostgreSQL does not answer; nothing was written.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((result, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(done)

    async def _run(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await self._write_down(waiting)
        self._running = None

    async def _write_down(self, waiting: Sequence[tuple[Result[S], asyncio.Future[bool]]]) -> None:
        """Write results down together; where that fails, one by one: only the bad one fails."""
        try:
            async with self._database.transaction() as session:
                moved = await self._write(session, [result for result, _ in waiting])
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            if len(waiting) > 1 and not isinstance(error, Unavailable):
                for one in waiting:
                    await self._write_down([one])
                return
            for _, done in waiting:
                done.set_exception(error)
                done.exception()  # else asyncio complains of those that nobody awaits
        else:
            count_conflicts(sum(result.step.follower not in moved for result, _ in waiting))
            for result, done in waiting:
                done.set_result(result.step.follower in moved)

    async def _write(self, session: AsyncSession, results: Sequence[Result[S]]) -> frozenset[int]:
        moved = await self._move(session, [result.step for result in results])
        await keep_attempts(session, [result.attempt for result in results if result.attempt])
        for result in results:
            if result.step.follower not in moved:
                continue
            if result.healed and result.attempt is not None:
                await note_result(session, result.step.follower, error=None, at=result.attempt.at)
            if result.reports:
                by_position = {one.position: one for one in result.reports}
                await report(session, result.step.follower, by_position, result.step.at)
        return moved


def main_settler(database: Database) -> Settler[Step]:
    """Settle what came of the main lane."""
    return Settler(database, advance)


def early_settler(database: Database) -> Settler[EarlyStep]:
    """Settle what came of the express lane."""
    return Settler(database, advance_early)


# One statement for all: a row at a time took longer than to send what the rows tell of.
_KEEP = text("""
    INSERT INTO attempts (id, at, database, previous, upto, entries, duration_ms, status, error,
                          detail, answer, lane)
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[]), CAST(:databases AS int2[]),
        CAST(:previous AS int8[]), CAST(:uptos AS int8[]), CAST(:entries AS int4[]),
        CAST(:durations AS int4[]), CAST(:statuses AS int2[]), CAST(:errors AS text[]),
        CAST(:details AS text[]), CAST(:answers AS text[]), CAST(:lanes AS text[])
    )
""")


async def keep_attempts(session: AsyncSession, attempts: Sequence[Attempt]) -> None:
    """Keep what was tried, for a person to look at."""
    if not attempts:
        return
    await session.execute(
        _KEEP,
        {
            "ids": [one.id for one in attempts],
            "ats": [one.at for one in attempts],
            "databases": [one.database for one in attempts],
            "previous": [one.previous for one in attempts],
            "uptos": [one.upto for one in attempts],
            "entries": [one.entries for one in attempts],
            "durations": [round(one.duration * 1000) for one in attempts],
            "statuses": [one.status for one in attempts],
            "errors": [one.error for one in attempts],
            "details": [one.detail for one in attempts],
            "answers": [one.answer for one in attempts],
            "lanes": [one.lane for one in attempts],
        },
    )


async def list_attempts(
    session: AsyncSession, database: int, *, before: UUID | None, limit: int
) -> list[Attempt]:
    """List what was tried with a database, the latest first, from the one after ``before``."""
    query = select(AttemptRow).where(AttemptRow.database == database)
    if before is not None:
        query = query.where(AttemptRow.id < before)
    rows = await session.execute(query.order_by(AttemptRow.id.desc()).limit(limit))
    return [
        Attempt(
            row.database,
            row.at,
            row.previous,
            row.upto,
            row.entries,
            row.duration_ms / 1000,
            row.status,
            row.error,
            row.detail,
            row.answer,
            # The column holds nothing but what an Attempt was made of.
            row.lane,  # type: ignore[arg-type]
            row.id,
        )
        for row in rows.scalars()
    ]


async def forget_attempts(session: AsyncSession, *, before: datetime, most: int = 10_000) -> int:
    """Delete the oldest attempts, at most so many at once; tells how many."""
    deleted = await session.execute(
        text("""
            DELETE FROM attempts WHERE id IN (
                SELECT id FROM attempts WHERE at < :before ORDER BY at LIMIT :most
            ) RETURNING id
        """),
        {"before": before, "most": most},
    )
    return len(deleted.all())
