"""Turns to write: in the order of arrival, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.platform.db import Database, Unavailable
from app.settings import Settings


@pytest.fixture
async def narrow(database_url: str, settings: Settings) -> AsyncIterator[Database]:
    """Open the pools with one connection for writing, for which a second is waited at most."""
    narrow = {"write_pool_size": 1, "lock_timeout_seconds": 1}
    database = Database.open(database_url, settings.model_copy(update=narrow))
    yield database
    await database.close()


async def test_whoever_waits_to_write_goes_before_whoever_comes_just_when_it_is_their_turn(
    narrow: Database,
) -> None:
    order: list[str] = []

    async def write(name: str) -> None:
        async with narrow.transaction() as session:
            await session.execute(text("SELECT 1"))
            order.append(name)

    async def write_again_and_again() -> None:
        for name in ("first", "again", "once more"):
            await write(name)

    await asyncio.gather(write_again_and_again(), *(write(f"{number}") for number in range(8)))
    assert order == ["first", *(f"{number}" for number in range(8)), "again", "once more"]


async def test_a_turn_that_does_not_come_in_time_is_503_and_is_given_to_the_next(
    narrow: Database,
) -> None:
    async with narrow.transaction() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(Unavailable):
            async with narrow.transaction():
                raise AssertionError("two wrote at once")
    async with narrow.transaction() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_a_writer_that_fails_or_is_given_up_leaves_its_turn(narrow: Database) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with narrow.transaction():
                raise ZeroDivisionError
        waiting = asyncio.create_task(asyncio.wait_for(_wait(narrow), 0.1))
        with pytest.raises(TimeoutError):
            await waiting
    async with narrow.transaction() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def _wait(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_sleep(5)"))
