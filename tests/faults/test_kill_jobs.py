"""The process of jobs killed in the middle of a scrub: what was done stands, the rest follows."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sqlalchemy import text

from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.scrubbing import ended, result

ROWS = 250_000
"""Of four groups, so that there is a middle to be killed in."""
PEOPLE = 10_000
BLOCKED = {
    0: "block,opted_out,2026-03-01T00:01:00.000000Z",
    1: "block,opted_out,2026-03-01T00:02:00.000000Z",
}


@asynccontextmanager
async def jobs(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the process of jobs, which is killed at the end of the block if it still runs."""
    secrets = {
        name: value.get_secret_value()
        for name in ("database_url", "digest_keys", "sealing_keys")
        if (value := getattr(settings, name)) is not None
    }
    variables = {f"OPTOUT_{name.upper()}": value for name, value in secrets.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "app.jobs"),
        env=os.environ | variables | {"OPTOUT_JOB_LEASE_SECONDS": "2"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def held(database: Database, condition: str) -> AsyncIterator[None]:
    """Hold the only job, for a block, where it runs and is as a condition of SQL says."""
    asked = f"SELECT 1 FROM jobs WHERE state = 'running' AND {condition} FOR UPDATE"  # noqa: S608 - a test's own
    async with asyncio.timeout(120), AsyncExitStack() as holding:
        while True:
            session = await holding.enter_async_context(database.transaction())
            if await session.scalar(text(asked)):
                yield
                return
            await holding.aclose()
            await asyncio.sleep(0.002)


def rows() -> Iterator[tuple[str, str]]:
    """Write a campaign's rows, each beside its answer; everybody stands in it 25 times."""
    for row in range(ROWS):
        person = row % PEOPLE
        allowed = "allow,," if row < PEOPLE else "allow,duplicate,"
        number = phone(person).value
        yield f"0{number[3:]}", BLOCKED.get(person, allowed)


async def test_a_scrub_whose_process_is_killed_is_complete_in_the_end_and_no_process_is_left(
    database: Database, caller: Caller
) -> None:
    registry = Registry(database)
    await registry.object(phone(0), at=minute(1))
    client = await caller("checks")
    content = "phone\n" + "".join(f"{number}\n" for number, _ in rows())
    answer = await client.post("/v1/scrubs", params={"medium": "voice"}, content=content)
    job = answer.json()["id"]
    for condition in ("done_rows > 0", "resume ->> 'written' > '0'"):
        async with jobs(database.settings) as process:
            # What it does next, it cannot write down: it is killed before the end for certain.
            async with held(database, condition):
                family = relatives(process.pid)
                process.kill()
            await until_gone(family)
        # Rows of this person were answered before, and by another process.
        await registry.object(phone(1), at=minute(2))
    async with jobs(database.settings):
        shown = await ended(client, job)
    assert shown["rows"] == shown["done_rows"] == ROWS
    assert shown["counts"] == {
        "allow": ROWS - 50,
        "block": 50,
        "unusable": 0,
        "duplicate": ROWS - PEOPLE,
    }
    assert (await result(client, shown)).decode() == "phone,decision,code,since\n" + "".join(
        f"{number},{answer}\n" for number, answer in rows()
    )
    async with database.reading() as session:
        assert (await session.scalar(text("SELECT fence FROM jobs")) or 0) >= 3


async def until_gone(processes: list[int]) -> None:
    """Wait until nothing is left of a killed process: it has others that digest, or soon will."""
    assert processes
    for _ in range(1_200):
        if not (left := [one for one in processes if lives(one)]):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(left)


def lives(process: int) -> bool:
    """Tell whether a process runs: one that nobody has reaped yet has no command any more."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def relatives(process: int) -> list[int]:
    """List the processes that one has started, and those that they have."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            found += [int(child), *relatives(int(child))]
    return found
