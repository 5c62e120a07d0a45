"""``kill -9`` of the jobs' process, ten times in one import: all is recorded, nothing twice.

Each time the lease of half a second has to end: that is what the time of this test goes into.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.journal import verify
from app.platform.db import Database
from app.settings import Settings
from tests.desk import register
from tests.importing import ended, send

KILLS = 10
PEOPLE = 9_990


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    """Give jobs up soon after they are left."""
    return settings.model_copy(update={"job_lease_seconds": 0.5})


@asynccontextmanager
async def jobs_program(settings: Settings) -> AsyncIterator[Process]:
    """Run what makes processes of jobs; the last one that it made is killed at the end."""

    def secret(value: SecretStr | None) -> str:
        assert value is not None
        return value.get_secret_value()

    variables = {
        "OPTOUT_DATABASE_URL": secret(settings.database_url),
        "OPTOUT_DIGEST_KEYS": secret(settings.digest_keys),
        "OPTOUT_SEALING_KEYS": secret(settings.sealing_keys),
        "OPTOUT_JOB_LEASE_SECONDS": str(settings.job_lease_seconds),
        "OPTOUT_LOG_LEVEL": "error",
    }
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.jobs_program"),
        env=os.environ | variables,
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield program
    finally:
        program.kill()
        await program.wait()


@asynccontextmanager
async def jobs(program: Process) -> AsyncIterator[None]:
    """Do jobs in a process that is killed at the end of the block."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(b"\n")
    number = int(await program.stdout.readline())
    try:
        yield
    finally:
        os.kill(number, signal.SIGKILL)


async def done_rows(database: Database) -> int:
    """Tell how far the only job is."""
    async with database.reading() as session:
        return int(await session.scalar(text("SELECT done_rows FROM jobs")) or 0)


async def is_at(database: Database, rows: int) -> None:
    """Wait until the job has done so many rows."""
    while True:
        if await done_rows(database) >= rows:
            return
        await asyncio.sleep(0.002)


async def test_an_import_that_is_killed_ten_times_is_complete_and_nothing_is_there_twice(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    rows = "".join(f"0639 98 {number:04}\n" for number in range(PEOPLE))
    taken = await send(admin, f"tel\n{rows}not a number\n", channel="dakar")
    async with jobs_program(database.settings) as program, asyncio.timeout(200):
        for kill in range(1, KILLS + 1):
            async with jobs(program):
                await is_at(database, PEOPLE * kill // (KILLS + 2))
        assert 0 < await done_rows(database) < PEOPLE, "it was killed in the middle"
        async with jobs(program):
            one = await ended(admin, taken["id"])
    assert (one["state"], one["rows"], one["position"]) == ("done", PEOPLE + 1, PEOPLE)
    assert one["counts"] == {"recorded": PEOPLE, "unchanged": 0, "refused": 1}
    async with database.reading() as session:
        found = await session.execute(
            text("""
                SELECT (SELECT count(*) FROM contact_points) AS points,
                       (SELECT count(*) FROM grounds) AS grounds,
                       (SELECT count(DISTINCT line) FROM grounds) AS lines,
                       (SELECT count(*) FROM suppressions WHERE version = 1) AS suppressions,
                       (SELECT count(*) FROM journal_entries) AS entries,
                       (SELECT count(*) FROM import_refusals) AS refusals
            """)
        )
        assert [*found.one()] == [*[PEOPLE] * 5, 1]
        verdicts = [verdict async for verdict in verify(session)]
    assert verdicts[-1].broken_at is None
