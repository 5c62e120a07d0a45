"""Voiding an import that was a mistake: at once on the record, then chunk by chunk in a job."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import void_withdrawals
from app.files import Handler, NewJob, Progress, Work, add_job, cancel_job, find_job
from app.journal import Change, Lane, Reason
from app.platform.clock import now
from app.platform.ids import new_id
from app.points import lock_point_ids
from app.registry import Cause, next_grounds, rederive, void_these

from .imports import IMPORT, TELL, Import
from .tables import ImportRow

VOID = "import-void"
"""The kind of job."""
GROUNDS = 500
"""Grounds of a chunk, as many as an import lays in one."""


async def begin_void(
    session: AsyncSession, one: Import, *, by: str, reason: str, key: int, at: datetime
) -> None:
    """Mark an import as voided and queue the job that voids its grounds; done once.

    ``one`` is locked by the caller. If it is being done, it goes on no further.
    """
    if one.voided_at is not None:
        return
    job = await find_job(session, one.id, kind=IMPORT)
    if job is not None and job.state in ("queued", "running"):
        await cancel_job(session, job, at=at)
    void = NewJob(new_id(), VOID, key, {"import": str(one.id)}, None, at)
    await add_job(session, void, most=None)
    await session.execute(
        update(ImportRow)
        .where(ImportRow.id == one.id)
        .values(voided_at=at, voided_by=by, void_reason=reason, void_job=void.id)
        .execution_options(synchronize_session=False)
    )


def void_handler() -> Handler:
    """Make what does a job of kind ``import-void``."""

    async def do_void(work: Work) -> None:
        source = UUID(work.job.params["import"])
        after: int | None = int((work.job.resume or {}).get("ground", 0))
        done = work.job.done_rows

        async def save(session: AsyncSession, ground: int, grounds: int) -> None:
            nonlocal done
            done += grounds
            await work.save(session, Progress(done_rows=done, resume={"ground": ground}))

        while after is not None:
            async with work.database.transaction() as session:
                after = await void_chunk(session, source, after, save)
        async with work.database.transaction() as session:
            await work.save(session, Progress(rows=done))

    return do_void


async def void_chunk(
    session: AsyncSession,
    source: UUID,
    after: int,
    save: Callable[[AsyncSession, int, int], Awaitable[None]],
) -> int | None:
    """Void the next grounds of an import: the number of the last one, None at the end.

    ``save`` writes down that number and how many they were, in the same transaction.
    """
    at = now()
    grounds = await next_grounds(session, source, after=after, most=GROUNDS)
    if not grounds:
        return None
    points = await lock_point_ids(session, {one.point for one in grounds})
    await void_these(session, grounds, at=at)
    await void_withdrawals(session, source, [point.id for point in points], at=at)
    await save(session, grounds[-1].ground, len(grounds))
    cause = Cause(Change.LIFTED, Reason.OBJECTION, Lane.BULK, at, at)
    await rederive(session, cause, points, then=TELL, parameters={"import": source})
    return grounds[-1].ground
