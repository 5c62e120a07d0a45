"""The directory: names found without a query, new ones at once, deleted ones never."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import event

from app.parties import (
    Directory,
    UnknownBrand,
    UnknownChannel,
    UnknownDatabase,
    UnknownParty,
    create_brand,
    delete_database,
)
from app.platform.clock import now
from app.platform.db import Database
from tests.test_keys import with_database


@pytest.fixture
def queries(database: Database) -> Iterator[list[str]]:
    """Watch what is read through the pool."""
    asked: list[str] = []

    def note(*given: object) -> None:
        asked.append(str(given[2]))

    event.listen(database.read_engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.read_engine.sync_engine, "before_cursor_execute", note)


async def with_brand(database: Database, slug: str) -> int:
    """Register a brand: its number."""
    async with database.transaction() as session:
        return (await create_brand(session, slug, name="B", actor="tests", at=now())).id


async def test_what_was_read_once_needs_no_query_again(
    database: Database, queries: list[str]
) -> None:
    number = await with_brand(database, "b")
    directory = Directory(database)
    for _ in range(3):
        assert await directory.brand("b") == number
        assert await directory.brand_slug(number) == "b"
    assert len(queries) == 1


async def test_a_new_name_is_found_at_once_though_it_was_unknown_before(
    database: Database,
) -> None:
    directory = Directory(database)
    with pytest.raises(UnknownBrand, match="There is nothing named 'b' among the brands"):
        await directory.brand("b")
    number = await with_brand(database, "b")
    assert await directory.brand("b") == number


async def test_each_kind_of_name_is_unknown_in_its_own_words(database: Database) -> None:
    directory = Directory(database)
    with pytest.raises(UnknownChannel):
        await directory.channel("none")
    with pytest.raises(UnknownParty):
        await directory.party("none")
    with pytest.raises(UnknownDatabase):
        await directory.database("none")
    with pytest.raises(LookupError):
        await directory.channel_slug(7)


async def test_what_cannot_be_a_slug_is_not_looked_up(
    database: Database, queries: list[str]
) -> None:
    directory = Directory(database)
    for slug in ("", "a\0", "Ä", "x" * 65, "a b", "b\n"):
        with pytest.raises(UnknownBrand):
            await directory.brand(slug)
    assert queries == []


async def test_a_flood_of_unknown_names_is_one_query_at_a_time(
    database: Database, queries: list[str]
) -> None:
    await with_brand(database, "b")
    directory = Directory(database)

    async def ask(number: int) -> None:
        with pytest.raises(UnknownBrand):
            await directory.brand(f"unknown-{number}")

    await asyncio.gather(*(ask(number) for number in range(500)), directory.brand("b"))
    assert len(queries) <= 2


async def test_a_deleted_database_is_unknown_and_its_number_keeps_its_name(
    database: Database,
) -> None:
    await with_database(database, "d")
    directory = Directory(database)
    first = await directory.database("d")
    async with database.transaction() as session:
        await delete_database(session, "d", actor="tests", at=now())
    with pytest.raises(UnknownDatabase):
        await directory.database("d")
    await with_database(database, "d")
    second = await directory.database("d")
    assert second != first
    assert await directory.database_slug(first) == "d"
    assert await directory.database_slug(second) == "d"
