"""Jobs: long work on files, with progress, taken by one process at a time and gone on with by any.

Whoever works on a job holds a lease with a fence: a process that was stopped past its lease finds
the fence raised, and what it writes is refused with the transaction that it stands in. Where to
go on is written in the transaction of the work itself, so that no step is done twice or half.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.platform.ids import least_id
from app.platform.problems import Problem

from .storage import release_file
from .tables import JobRow

if TYPE_CHECKING:
    from app.platform.db import RawConnection

JobState = Literal["queued", "running", "done", "failed"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
_OPEN = ("queued", "running")
NO_KEY = 0
"""The key of jobs that somebody queued who signed in; they share what one key may have."""
_OF_A_KEY = 2
"""Jobs of one key under way at once."""
_PLACE = 0x6A6F6273
"""The advisory lock, with the key's number, of whoever queues a job."""


class TooManyJobs(Problem):
    """The key has as many jobs queued or running as it may have. Wait until one has ended."""

    type = "too-many-jobs"
    title = "The key has too many jobs at once"
    status = 429


class LeaseLost(Exception):  # noqa: N818 - what happened to the holder
    """Somebody else may go on with the job, or it was cancelled: write nothing more."""


class JobFailed(Exception):  # noqa: N818 - what a handler raises to end its job
    """The job cannot be done; ``error`` is a stable name for the reason."""

    def __init__(self, error: str, detail: str) -> None:
        """Say why, for programs and for people; neither holds a contact point."""
        super().__init__(detail)
        self.error = error
        self.detail = detail


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is to be done: ``kind`` names the handler, ``key`` whose job it is."""

    id: UUID
    kind: str
    key: int
    params: Mapping[str, Any]
    upload: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands; members as described in ``tables.JobRow``."""

    id: UUID
    kind: str
    key: int
    state: JobState
    params: Mapping[str, Any]
    upload: UUID | None
    result: UUID | None
    rows: int | None
    done_rows: int
    position: int | None
    counts: Mapping[str, int]
    resume: Mapping[str, Any] | None
    error: str | None
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    fence: int
    tries: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step changes of its job; what is None stays as it was."""

    done_rows: int | None = None
    rows: int | None = None
    position: int | None = None
    counts: Mapping[str, int] | None = None
    resume: Mapping[str, Any] | None = None
    result: UUID | None = None


async def add_job(session: AsyncSession, new: NewJob, *, most: int | None) -> Job:
    """Queue a job; its key may have at most ``most`` that have not ended (None: any number).

    Raises:
        TooManyJobs: it has as many.
    """
    await require_room(session, new.key, most=most)
    row = await session.scalars(
        insert(JobRow)
        .values(
            id=new.id,
            kind=new.kind,
            key=new.key,
            params=dict(new.params),
            upload=new.upload,
            created_at=new.at,
        )
        .returning(JobRow)
    )
    return _job(row.one())


async def require_room(session: AsyncSession, key: int, *, most: int | None) -> None:
    """Refuse a key that has as many jobs as it may; asked before an upload, and again after it.

    Raises:
        TooManyJobs: see above.
    """
    if most is None:
        return
    # Two uploads at once: the second waits here, and counts the first.
    await session.execute(select(func.pg_advisory_xact_lock(_PLACE, key)))
    held = await session.scalar(
        select(func.count()).where(JobRow.key == key, JobRow.state.in_(_OPEN))
    )
    if held is not None and held >= most:
        raise TooManyJobs(
            f"This key may have {most} jobs queued or running.", headers={"Retry-After": "10"}
        )


async def find_job(session: AsyncSession, job: UUID, *, kind: str) -> Job | None:
    """Find a job of a kind."""
    found = await session.scalar(select(JobRow).where(JobRow.id == job, JobRow.kind == kind))
    return None if found is None else _job(found)


def jobs_in(kind: str, state: JobState) -> Select[UUID]:
    """Select the ids of the jobs of a kind in a state, for the list of what they are about."""
    return select(JobRow.id).where(JobRow.kind == kind, JobRow.state == state)


async def list_jobs(
    session: AsyncSession,
    *,
    kind: str,
    key: int | None,
    limit: int,
    before: UUID | None,
    state: JobState | None = None,
) -> list[Job]:
    """List jobs of a kind, the latest first; of one key, or of all (None)."""
    query = select(JobRow).where(JobRow.kind == kind).order_by(JobRow.id.desc()).limit(limit)
    if key is not None:
        query = query.where(JobRow.key == key)
    if state is not None:
        query = query.where(JobRow.state == state)
    if before is not None:
        query = query.where(JobRow.id < before)
    return [_job(row) for row in await session.scalars(query)]


_DUE = """
SELECT EXISTS (
    SELECT FROM jobs
    WHERE state IN ('queued', 'running') AND due_at <= now() AND kind = ANY($1::text[])
)
"""


async def any_job_due(connection: "RawConnection", kinds: Collection[str]) -> bool:
    """Tell whether a job of some kinds may be taken, whosever turn it is."""
    return bool(await connection.fetchval(_DUE, list(kinds)))


_OTHER = aliased(JobRow)
_UNDER_WAY = (
    select(func.count())
    .where(_OTHER.key == JobRow.key, _OTHER.state == "running", _OTHER.due_at > func.now())
    .scalar_subquery()
)
# Made once: to make it took longer than to ask it.
_TURN = (
    select(JobRow.id)
    .where(JobRow.state.in_(_OPEN), JobRow.due_at <= func.now())
    .where(JobRow.kind.in_(bindparam("kinds", expanding=True)), _UNDER_WAY < _OF_A_KEY)
    .order_by(_UNDER_WAY, JobRow.created_at)
    .limit(1)
    .with_for_update(skip_locked=True, of=JobRow)
)


async def claim_job(session: AsyncSession, kinds: Collection[str], *, lease: float) -> Job | None:
    """Take the job whose turn it is, for ``lease`` seconds; None if nothing is due.

    The turn is that of the key with the fewest jobs under way, of which it has two at most, so
    that one with twenty files holds up nobody who has one.
    """
    job = await session.scalar(_TURN, {"kinds": [*kinds]})
    if job is None:
        return None
    taken = await session.scalars(
        update(JobRow)
        .where(JobRow.id == job)
        .values(
            state="running",
            fence=JobRow.fence + 1,
            tries=JobRow.tries + 1,
            started_at=func.coalesce(JobRow.started_at, func.now()),
            due_at=_in(lease),
        )
        .returning(JobRow)
    )
    return _job(taken.one())


def _in(seconds: float) -> ColumnElement[datetime]:
    # By the database's clock, as every lease.
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


async def hold_job(session: AsyncSession, job: Job, *, seconds: float) -> None:
    """Hold on to a job for some more seconds, or give it back (0).

    Raises:
        LeaseLost: it is no longer this process's.
    """
    await _under_fence(session, job, {"due_at": _in(seconds)})


async def save_progress(session: AsyncSession, job: Job, progress: Progress) -> None:
    """Write down what a step did, in the transaction of the step.

    Locks the job's row until the commit: call it before what others wait for.

    Raises:
        LeaseLost: the step must not be committed.
    """
    changes = {name: value for name, value in _members(progress) if value is not None}
    await _under_fence(session, job, {"tries": 0, **changes})


async def end_job(
    session: AsyncSession, job: Job, *, at: datetime, failure: JobFailed | None = None
) -> None:
    """End a job: done, or failed for a reason.

    Raises:
        LeaseLost: it is no longer this process's.
    """
    await _under_fence(
        session,
        job,
        {
            "state": "done" if failure is None else "failed",
            "ended_at": at,
            "error": None if failure is None else failure.error,
            "detail": None if failure is None else failure.detail,
        },
    )


async def cancel_job(session: AsyncSession, job: Job, *, at: datetime) -> None:
    """End a job that has not ended as ``cancelled``, and let its files be deleted."""
    await session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.state.in_(_OPEN))
        .values(
            state="failed",
            ended_at=at,
            error="cancelled",
            detail="It was cancelled.",
            fence=JobRow.fence + 1,
        )
    )
    for file in (job.upload, job.result):
        if file is not None:
            await release_file(session, file, at=at)


async def forget_jobs(
    session: AsyncSession, *, kind: str, before: datetime, most: int = 10_000
) -> int:
    """Delete the oldest jobs of a kind that have ended, at most so many at once; tells how many.

    For kinds of which nothing speaks that is kept for longer.
    """
    deleted = await session.execute(
        text("""
            DELETE FROM jobs WHERE id IN (
                SELECT id FROM jobs
                WHERE id < :before AND kind = :kind AND state IN ('done', 'failed')
                ORDER BY id LIMIT :most
            ) RETURNING 1
        """),
        {"before": least_id(before), "kind": kind, "most": most},
    )
    return len(deleted.all())


async def _under_fence(session: AsyncSession, job: Job, changes: Mapping[str, Any]) -> None:
    held = await session.scalar(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.fence == job.fence, JobRow.state == "running")
        .values(**changes)
        .returning(JobRow.id)
        .execution_options(synchronize_session=False)
    )
    if held is None:
        raise LeaseLost(str(job.id))


def _members(row: object) -> list[tuple[str, Any]]:
    of = Progress if isinstance(row, Progress) else Job
    return [(member.name, getattr(row, member.name)) for member in fields(of)]


def _job(row: JobRow) -> Job:
    return Job(**dict(_members(row)))
