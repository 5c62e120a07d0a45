"""Verifying the journal: the first position that is wrong is named."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.journal import append, verify
from app.journal.verification import Verification
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import minute
from tests.test_journal import draft, read, verdict, write

COLUMNS = {
    "id": "gen_random_uuid()",
    "change": "change + 1",
    "lane": "99",
    "kind": "kind + 1",
    "point": "point + 1",
    "brand": "brand + 1",
    "media": "0",
    "touches": "touches + 256",
    "version": "version + 1",
    "reason": "77",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "recorded_at": "recorded_at - interval '9000 days'",
    "commitment": "commitment || '\\x00'",
    "hash": "sha256(hash)",
}


async def test_verify_names_the_first_entry_that_was_altered_in_any_column(
    database: Database,
) -> None:
    await write(database, 1, 2, 3, 4)
    async with database.reading() as session:
        found = await session.execute(
            text("""
                SELECT column_name FROM information_schema.columns
                WHERE table_name = 'journal_entries' AND table_schema = 'public'
            """)
        )
        assert set(found.scalars()) == {*COLUMNS, "position"}
    for column, value in COLUMNS.items():
        async with database.transaction() as session:
            await session.execute(
                text(f"UPDATE journal_entries SET {column} = {value} WHERE position IN (2, 4)")  # noqa: S608 - constants
            )
            broken = [progress async for progress in verify(session)][-1]
            assert broken == Verification(1, 2, "position 2: the entry is not what was written"), (
                column
            )
            await session.rollback()
    assert (await verdict(database)) == Verification(4, None, "whole")


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("DELETE FROM journal_entries WHERE position = 2", (2, "the entry is missing")),
        ("DELETE FROM journal_entries WHERE position = 3", (3, "the entry is missing")),
        ("DELETE FROM journal_entries", (1, "the entry is missing")),
        ("UPDATE journal_head SET position = 4", (4, "the entry is missing")),
        (
            "UPDATE journal_head SET position = 2",
            (2, "the head's hash is not that of the last entry"),
        ),
        (
            "UPDATE journal_head SET hash = sha256(hash)",
            (3, "the head's hash is not that of the last entry"),
        ),
        (
            "UPDATE journal_entries SET position = 10 - position",
            (1, "the entry is missing"),
        ),
    ],
)
async def test_verify_names_what_is_missing_and_a_head_that_lies(
    database: Database, tampering: str, found: tuple[int, str]
) -> None:
    await write(database, 1, 2, 3)
    async with database.transaction() as session:
        await session.execute(text(tampering))
    position, detail = found
    assert await verdict(database) == Verification(
        position - 1, position, f"position {position}: {detail}"
    )


async def test_an_empty_journal_is_whole(database: Database) -> None:
    assert await verdict(database) == Verification(0, None, "whole")


async def test_the_times_of_every_year_hash_as_postgresql_keeps_them(database: Database) -> None:
    edges = [minute(0).replace(year=year, microsecond=999_999) for year in (1, 1969, 2038, 9999)]
    async with database.transaction() as session:
        await append(
            session,
            [draft(n, occurred_at=at, recorded_at=at) for n, at in enumerate(edges, start=1)],
        )
    assert (await verdict(database)).broken_at is None
    assert [entry.occurred_at for entry in (await read(database))[0]] == edges


async def test_ten_thousand_entries_are_appended_in_about_their_number_of_steps(
    database: Database,
) -> None:
    async def seconds(entries: int) -> float:
        at = now()
        async with database.transaction() as session:
            drafts = [draft(number, occurred_at=minute(0)) for number in range(1, entries + 1)]
            await append(session, drafts)
        return (now() - at) / timedelta(seconds=1)

    await seconds(500)
    small, large = await seconds(500), await seconds(10_000)
    assert large < 100 * max(small, 0.02), "twenty times the entries; squared it is four hundred"
    assert (await verdict(database)).entries == 11_000
