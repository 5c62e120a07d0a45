"""Running jobs: several at once in their turns, each under a lease, by the handlers passed in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.clock import now
from app.platform.db import Database, OwnConnection, Unavailable
from app.platform.logs import get_logger
from app.platform.memory import return_memory

from .bad_file import BadFile
from .jobs import (
    Job,
    JobFailed,
    LeaseLost,
    Progress,
    any_job_due,
    claim_job,
    end_job,
    hold_job,
    save_progress,
)
from .storage import FileGone, release_file

AT_ONCE = 4
"""Jobs under way at once in one process, so that a short one need not wait for a long one."""
MOST_TRIES = 20
"""How often a job may be taken without any progress before it is given up: it kills its process."""
POLL_SECONDS = 0.1
CONNECTION = "jobs"
"""What the connection is named on which every process of jobs looks for one, all the time."""
_PAUSE = 5.0
_REST_SECONDS = 5.0
"""How long there is nothing to do before memory is given back."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A job in the hands of its handler."""

    job: Job
    database: Database

    async def save(self, session: AsyncSession, progress: Progress) -> None:
        """Write progress in the transaction of the step that made it, before any append.

        Raises:
            LeaseLost: let it pass: the step is rolled back and the job is somebody else's.
        """
        await save_progress(session, self.job, progress)


Handler = Callable[[Work], Awaitable[None]]
"""Does a job from ``job.resume`` on, to its end; raises ``JobFailed`` if it cannot be done.

``BadFile`` fails the job by its code, ``FileGone`` as ``file-gone``; ``Unavailable`` lets it be
tried again in a moment. It runs in the event loop: what computes belongs in a thread or a process.
"""


class JobRunner:
    """Takes jobs of the kinds that have a handler, until told to stop."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Take the handlers by kind, and how often to look for a job; nothing runs yet."""
        self._database = database
        self._handlers = handlers
        self._poll_seconds = poll_seconds
        self._lease = database.settings.job_lease_seconds
        self._connection = OwnConnection(database, CONNECTION)
        self._running: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; jobs under way are given back, to be gone on with by anybody."""
        try:
            while not stopping.is_set():
                job = await self._claim()
                if job is None:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stopping.wait(), self._poll_seconds)
                else:
                    self._begin(job)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._connection.close()

    def _begin(self, job: Job) -> None:
        if self._resting is not None:
            self._resting.cancel()
        task = asyncio.create_task(self._work_on(job))
        self._running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            # Not at once: the next file wants as much.
            loop = asyncio.get_running_loop()
            self._resting = loop.call_later(_REST_SECONDS, return_memory)

    async def _claim(self) -> Job | None:
        """Take a job if there is one; it is looked for, so that we are seen, without room too."""
        try:
            due = await self._connection.use(partial(any_job_due, kinds=[*self._handlers]))
            if not due or len(self._running) >= AT_ONCE:
                return None
            async with self._database.transaction() as session:
                return await claim_job(session, [*self._handlers], lease=self._lease)
        except Unavailable as error:
            log.warning("jobs wait for the database", reason=error.detail)
            return None

    async def _work_on(self, job: Job) -> None:
        """Do a job while its lease is held; whatever comes of it, nothing is raised."""
        try:
            async with asyncio.TaskGroup() as tasks:
                holding = tasks.create_task(self._hold(job))
                await self._do(job)
                holding.cancel()
        except* LeaseLost:
            log.warning("a job is in other hands now, or was cancelled", job=str(job.id))
        except* Unavailable as errors:
            reasons = {str(each) for each in errors.exceptions}
            log.warning("a job waits", job=str(job.id), reason=" ".join(sorted(reasons)))
            await self._give_back(job, after=_PAUSE)

    async def _hold(self, job: Job) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            async with self._database.transaction() as session:
                await hold_job(session, job, seconds=self._lease)

    async def _do(self, job: Job) -> None:
        """Do it and write down how it ended.

        Raises:
            LeaseLost: somebody else may write that down.
            Unavailable: the database does not answer; the job is as it was at its last step.
        """
        try:
            failure = await self._failure(job)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job, after=0))
            raise
        async with self._database.transaction() as session:
            if failure is not None:
                log.warning("a job failed", job=str(job.id), kind=job.kind, error=failure.error)
                for file in (job.upload, job.result):
                    if file is not None:
                        await release_file(session, file, at=now())
            await end_job(session, job, at=now(), failure=failure)

    async def _failure(self, job: Job) -> JobFailed | None:
        """Do it: why it failed, None if it did not."""
        if job.tries > MOST_TRIES:
            return JobFailed("crashed", f"It ended its process {MOST_TRIES} times.")
        try:
            await self._handlers[job.kind](Work(job, self._database))
        except JobFailed as failure:
            return failure
        except BadFile as refused:
            return JobFailed(refused.code, refused.detail)
        except FileGone:
            return JobFailed("file-gone", "Its file was deleted before it had its turn.")
        except (LeaseLost, Unavailable):
            raise
        except Exception:
            log.exception("a job failed", job=str(job.id), kind=job.kind)
            return JobFailed("fault", "The registry failed; report the job's id.")
        return None

    async def _give_back(self, job: Job, *, after: float) -> None:
        with suppress(LeaseLost, Unavailable):
            async with self._database.transaction() as session:
                await hold_job(session, job, seconds=after)
