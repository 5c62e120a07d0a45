"""Jobs: taken in turn, under a lease with a fence, gone on with where they were, failed by name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.files import (
    BadFile,
    FileGone,
    Job,
    JobFailed,
    JobRunner,
    LeaseLost,
    NewJob,
    Progress,
    Storage,
    Work,
    add_job,
    cancel_job,
    find_job,
    receive_upload,
)
from app.files.jobs import claim_job, end_job, hold_job, save_progress
from app.files.running import MOST_TRIES
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.ids import new_id
from app.platform.vault import Vault
from tests.conftest import SEALING_KEYS

KIND = "counting"
Queue = Callable[..., Awaitable[Job]]


@pytest.fixture
def queue(database: Database) -> Queue:
    """Queue a job of a key."""

    async def add(key: int = 1, most: int | None = None, **params: int) -> Job:
        async with database.transaction() as session:
            new = NewJob(new_id(), KIND, key, params, None, now())
            return await add_job(session, new, most=most)

    return add


async def claim(database: Database, lease: float = 60) -> Job | None:
    async with database.transaction() as session:
        return await claim_job(session, [KIND], lease=lease)


async def taken(database: Database, lease: float = 60) -> Job:
    job = await claim(database, lease)
    assert job is not None
    return job


async def save(database: Database, job: Job, **progress: int) -> None:
    async with database.transaction() as session:
        await save_progress(session, job, Progress(**progress))  # type: ignore[arg-type]  # numbers alone


async def stands(database: Database, job: Job) -> Job:
    async with database.reading() as session:
        found = await find_job(session, job.id, kind=KIND)
    assert found is not None
    return found


async def ran(
    database: Database, handler: Callable[[Work], Awaitable[None]], job: Job, **changed: float
) -> Job:
    """Run the handler until the job has ended."""
    settings = database.settings.model_copy(update=changed)
    database = Database(database.url, settings, database.write_engine, database.read_engine)
    stopping = asyncio.Event()
    running = asyncio.create_task(JobRunner(database, {KIND: handler}).run(stopping))
    while (await stands(database, job)).state not in {"done", "failed"}:  # noqa: ASYNC110 - a row
        await asyncio.sleep(0.01)
    stopping.set()
    await running
    return await stands(database, job)


async def test_a_job_is_taken_once_and_again_when_its_lease_is_over(
    database: Database, queue: Queue
) -> None:
    queued = await queue(rows=3)
    assert (queued.state, queued.params, queued.started_at) == ("queued", {"rows": 3}, None)
    first = await taken(database, lease=0.05)
    assert (first.id, first.state, first.fence) == (queued.id, "running", 1)
    await asyncio.sleep(0.1)
    second = await taken(database)
    assert (second.id, second.fence, second.started_at) == (queued.id, 2, first.started_at)
    assert await claim(database) is None


async def test_eight_processes_at_once_take_each_job_once(database: Database, queue: Queue) -> None:
    queued = {(await queue(key)).id for key in range(5)}
    found = await asyncio.gather(*(claim(database) for _ in range(8)))
    assert sorted(job.id for job in found if job is not None) == sorted(queued)


WRITINGS: list[Callable[[AsyncSession, Job], Awaitable[None]]] = [
    lambda session, job: save_progress(session, job, Progress(done_rows=1)),
    lambda session, job: hold_job(session, job, seconds=1),
    lambda session, job: end_job(session, job, at=now()),
]


async def write_late(
    database: Database, late: Job, writing: Callable[[AsyncSession, Job], Awaitable[None]]
) -> None:
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE of_the_late ()"))
        await writing(session, late)


async def test_whoever_lost_its_lease_writes_nothing_more(database: Database, queue: Queue) -> None:
    await queue()
    late = await taken(database, lease=0)
    holder = await taken(database)
    await save(database, holder, done_rows=7)
    for writing in WRITINGS:
        with pytest.raises(LeaseLost):
            await write_late(database, late, writing)
    job = await stands(database, holder)
    assert (job.state, job.done_rows) == ("running", 7)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT to_regclass('of_the_late')")) is None


async def test_a_key_with_many_jobs_holds_up_nobody_with_one(
    database: Database, queue: Queue
) -> None:
    many = [await queue(1) for _ in range(3)]
    one = await queue(2)
    order = [(await taken(database)).id for _ in range(3)]
    assert order == [many[0].id, one.id, many[1].id]
    assert await claim(database) is None, "a key has two under way, the others their chance"


async def test_a_key_has_so_many_jobs_at_once_and_no_more(database: Database, queue: Queue) -> None:
    results = await asyncio.gather(*(queue(1, most=2) for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [
        *["Job"] * 2,
        *["TooManyJobs"] * 3,
    ]
    await queue(2, most=2)
    job = await taken(database)
    async with database.transaction() as session:
        await end_job(session, job, at=now())
    await queue(job.key, most=2)


async def half_a_step(database: Database, job: Job) -> None:
    async with database.transaction() as session:
        await save_progress(session, job, Progress(done_rows=5, resume={"line": 5}))
        _ = 1 / 0


async def test_progress_is_of_the_transaction_of_the_work(database: Database, queue: Queue) -> None:
    await queue()
    job = await taken(database)
    with pytest.raises(ZeroDivisionError):
        await half_a_step(database, job)
    assert (await stands(database, job)).resume is None
    async with database.transaction() as session:
        await save_progress(session, job, Progress(done_rows=5, resume={"line": 5}))
    async with database.transaction() as session:
        await save_progress(session, job, Progress(counts={"allow": 5}, rows=9, position=3))
    found = await stands(database, job)
    assert (found.done_rows, found.rows, found.position) == (5, 9, 3)
    assert (found.counts, found.resume) == ({"allow": 5}, {"line": 5})


async def test_a_job_is_done_when_its_handler_returns(database: Database, queue: Queue) -> None:
    async def count(work: Work) -> None:
        async with database.transaction() as session:
            await work.save(session, Progress(done_rows=2))

    job = await ran(database, count, await queue())
    assert (job.state, job.done_rows, job.error, job.detail) == ("done", 2, None, None)
    assert job.ended_at is not None


FAILURES = {
    "no-such-column": JobFailed("no-such-column", "There is none."),
    "too-wide": BadFile("too-wide", "It has too many columns."),
    "file-gone": FileGone("gone"),
    "fault": ValueError("+33639980001"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failed_job_says_why_by_name_and_its_file_is_deleted(
    database: Database, name: str
) -> None:
    storage = Storage(database, Vault.parse(SEALING_KEYS), None)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"06 39 98 00 01"

    upload = await receive_upload(storage, pieces(), content_type="", query=())
    async with database.transaction() as session:
        queued = await add_job(
            session, NewJob(new_id(), KIND, 1, {}, upload.file.id, now()), most=None
        )

    async def fail(_: Work) -> None:
        raise FAILURES[name]

    job = await ran(database, fail, queued)
    assert (job.state, job.error) == ("failed", name)
    assert "3998" not in f"{job.detail}"
    await storage.forget_expired(at=now())
    with pytest.raises(FileGone):
        await storage.find(upload.file.id)


async def test_a_job_waits_for_a_database_that_is_away(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.files.running._PAUSE", 0.05)
    calls = 0

    async def count(_: Work) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise Unavailable("The database does not answer.")

    assert (await ran(database, count, await queue())).state == "done"
    assert calls == 3


async def test_a_job_that_ends_its_process_again_and_again_is_given_up(
    database: Database, queue: Queue
) -> None:
    job = await queue()
    for _ in range(MOST_TRIES):
        await taken(database, lease=0)

    async def count(_: Work) -> None:
        raise AssertionError("it must not be tried again")

    failed = await ran(database, count, job)
    assert (failed.state, failed.error) == ("failed", "crashed")


async def test_progress_gives_a_job_all_its_tries_again(database: Database, queue: Queue) -> None:
    job = await queue()
    for row in range(MOST_TRIES + 5):
        await save(database, await taken(database, lease=0), done_rows=row)
        async with database.transaction() as session:
            await session.execute(text("UPDATE jobs SET due_at = now()"))

    async def count(_: Work) -> None:
        return

    assert (await ran(database, count, job)).state == "done"


async def test_a_lease_is_held_for_as_long_as_the_work_takes(
    database: Database, queue: Queue
) -> None:
    async def count(work: Work) -> None:
        await asyncio.sleep(1)
        assert await claim(database) is None
        assert (await stands(database, work.job)).fence == 1

    assert (await ran(database, count, await queue(), job_lease_seconds=0.5)).state == "done"


async def test_a_cancelled_job_ends_its_work(database: Database, queue: Queue) -> None:
    begun = asyncio.Event()
    ended = asyncio.Event()

    async def count(_: Work) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def cancel(job: Job) -> None:
        await begun.wait()
        async with database.transaction() as session:
            await cancel_job(session, job, at=now() + timedelta(seconds=1))

    queued = await queue()
    cancelling = asyncio.create_task(cancel(queued))
    job = await ran(database, count, queued, job_lease_seconds=0.3)
    await cancelling
    assert (job.state, job.error, job.detail) == ("failed", "cancelled", "It was cancelled.")
    assert ended.is_set()


async def test_a_runner_that_is_told_to_stop_gives_its_jobs_back(
    database: Database, queue: Queue
) -> None:
    begun = asyncio.Event()

    async def count(_: Work) -> None:
        begun.set()
        await asyncio.sleep(60)

    job = await queue()
    stopping = asyncio.Event()
    running = asyncio.create_task(JobRunner(database, {KIND: count}).run(stopping))
    await begun.wait()
    stopping.set()
    await running
    assert (await taken(database)).id == job.id
