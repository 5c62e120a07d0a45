"""What the worker does beside delivering: it completes erasures, each in its turn."""

import httpx
import pytest
from sqlalchemy import text

from app.identifiers import Identifier
from app.journal import Kind
from app.platform.db import Database
from app.settings import Settings
from app.worker import ERASURES_AT_ONCE
from tests.acts import Registry, phone
from tests.receivers import hasty, register, until, working


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def test_erasures_that_wait_hold_up_no_newer_one(
    admin: httpx.AsyncClient, database: Database
) -> None:
    registry = Registry(database)
    await register(admin, kinds=["phone"])  # it never acknowledges
    jane = Identifier(Kind.EMAIL, "jane@example.com")
    stuck = [phone(number) for number in range(ERASURES_AT_ONCE + 1)]
    await registry.object(*stuck, jane)
    for person in stuck:
        await registry.erase(person)
    erasure = await registry.erase(jane)

    async def complete() -> bool:
        answer = await admin.get(f"/v1/erasures/{erasure}")
        return answer.json()["completed_at"] is not None

    async with working(database.settings):
        await until(complete)
        # Those before it come round again: one that may be completed by now is.
        async with database.transaction() as session:
            passed = "UPDATE followers SET acknowledged = 1000, scanned = 1000, told = 1000"
            await session.execute(text(passed))
            await session.execute(text("INSERT INTO acknowledgements SELECT 1, 1, 1000, 0, now()"))
        await until(lambda: _all_complete(database))


async def _all_complete(database: Database) -> bool:
    async with database.reading() as session:
        waiting = await session.scalar(
            text("SELECT count(*) FROM erasures WHERE completed_at IS NULL")
        )
        return bool(waiting == 0)
