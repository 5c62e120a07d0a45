"""The journal: dense numbers in commit order, a chain, cursors that know a fork."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import (
    EVERY_BRAND,
    EVERY_MEDIUM,
    Change,
    Cursor,
    CursorExpired,
    Draft,
    Entry,
    JournalForked,
    Kind,
    Lane,
    Media,
    Reason,
    Scope,
    append,
    cursor_at,
    find_window,
    read_entries,
    read_head,
    resolve,
    verify,
)
from app.journal.verification import Verification
from app.platform.db import Database, Unavailable
from app.platform.pages import BadCursor
from tests.acts import minute

ALL = Scope(frozenset(Kind), EVERY_MEDIUM, None)


def draft(point: int, **changes: object) -> Draft:
    """Write an entry about a contact point."""
    plain = Draft(
        change=Change.ADDED,
        lane=Lane.LIVE,
        kind=Kind.PHONE,
        point=point,
        digest=point.to_bytes(16),
        brand=EVERY_BRAND,
        media=EVERY_MEDIUM,
        before=Media(0),
        version=1,
        reason=Reason.OBJECTION,
        occurred_at=minute(point),
        recorded_at=minute(point),
    )
    return plain._replace(**changes)  # type: ignore[arg-type]  # fields by name


async def write(database: Database, *points: int) -> dict[tuple[int, int], int]:
    """Append an entry about each contact point, in one transaction."""
    async with database.transaction() as session:
        return await append(session, [draft(point) for point in points])


async def read(
    database: Database, scope: Scope = ALL, *, after: int = 0, most: int = 1_000, span: int = 20_000
) -> tuple[list[Entry], int]:
    """Read a window up to the present head."""
    async with database.reading() as session:
        head = (await read_head(session)).position
        window = await find_window(session, scope, after=after, head=head, most=most, span=span)
        return await read_entries(session, window.positions), window.upto


async def verdict(database: Database) -> Verification:
    """Verify the whole journal."""
    async with database.reading() as session:
        return [progress async for progress in verify(session)][-1]


async def test_entries_are_numbered_from_one_and_read_as_they_were_written(
    database: Database,
) -> None:
    written = draft(
        7,
        change=Change.LIFTED,
        lane=Lane.BULK,
        kind=Kind.EMAIL,
        brand=3,
        media=Media.EMAIL,
        before=Media.EMAIL | Media.POST,
        version=9,
        reason=Reason.HARD_BOUNCE,
        occurred_at=minute(1).replace(microsecond=999_999),
        recorded_at=minute(2).replace(microsecond=1),
    )
    async with database.transaction() as session:
        assert await append(session, [draft(5), written]) == {(5, EVERY_BRAND): 1, (7, 3): 2}
    assert await write(database, 9) == {(9, EVERY_BRAND): 3}
    entries, upto = await read(database)
    assert [entry.position for entry in entries] == [1, 2, 3]
    assert upto == 3
    entry = entries[1]
    assert entry.id.version == 7
    assert entry == Entry(
        position=2,
        id=entry.id,
        change=written.change,
        lane=written.lane,
        kind=written.kind,
        point=7,
        brand=3,
        media=Media.EMAIL,
        touches=Media.EMAIL | Media.POST,
        version=9,
        reason=written.reason,
        occurred_at=written.occurred_at,
        recorded_at=written.recorded_at,
        commitment=entry.commitment,
        hash=entry.hash,
    )
    assert written.digest not in (entry.commitment, entry.hash)


async def test_a_rollback_gives_its_numbers_back(database: Database) -> None:
    await write(database, 1)
    async with database.transaction() as session:
        assert await append(session, [draft(2), draft(3)]) == {(2, 0): 2, (3, 0): 3}
        await session.rollback()
    assert await write(database, 4) == {(4, 0): 2}
    assert (await verdict(database)) == Verification(2, None, "whole")


async def test_a_window_holds_what_concerns_a_scope_and_says_how_far_it_looked(
    database: Database,
) -> None:
    async with database.transaction() as session:
        await append(
            session,
            [
                draft(1, media=Media.VOICE),
                draft(2, kind=Kind.EMAIL, media=Media.EMAIL),
                draft(3, brand=1),
                draft(4, brand=2),
                draft(5, media=Media(0), before=Media.VOICE, change=Change.LIFTED),
                draft(6, media=Media(0), before=Media.SMS, change=Change.LIFTED),
                draft(7, lane=Lane.BULK),
            ],
        )

    async def points(scope: Scope) -> list[int]:
        return [entry.point for entry in (await read(database, scope))[0]]

    phones = frozenset({Kind.PHONE})
    assert await points(ALL) == [1, 2, 3, 4, 5, 6, 7]
    assert await points(Scope(phones, EVERY_MEDIUM, None)) == [1, 3, 4, 5, 6, 7]
    assert await points(Scope(phones, Media.VOICE, (1,))) == [1, 3, 5, 7]
    assert await points(Scope(phones, Media.POST, ())) == [7]
    nothing = Scope(frozenset({Kind.SIREN}), EVERY_MEDIUM, None)
    assert await read(database, nothing) == ([], 7)
    assert await read(database, nothing, span=3) == ([], 3)
    entries, upto = await read(database, Scope(phones, EVERY_MEDIUM, None), most=2)
    assert ([entry.point for entry in entries], upto) == ([1, 3], 3)
    async with database.reading() as session:
        live = await find_window(session, ALL, after=5, head=7, most=9, live=True)
        beyond = await find_window(session, ALL, after=7, head=7, most=9)
    assert (live.positions, live.upto) == ([6], 7)
    assert (beyond.positions, beyond.upto) == ([], 7)


# --- order under concurrency


async def test_a_reader_by_cursor_sees_every_number_once_in_order_whatever_writers_suffer(
    database: Database,
) -> None:
    chance = random.Random(20)  # noqa: S311 - no secret
    committed: set[int] = set()
    done = asyncio.Event()

    async def write_some(writer: int) -> None:
        for turn in range(25):
            point = writer * 100 + turn + 1
            try:
                async with database.transaction() as session:
                    await session.execute(text("SELECT pg_sleep(:s)"), {"s": chance.random() / 200})
                    await append(session, [draft(point), draft(point + 10_000)])
                    await asyncio.sleep(chance.choice([0, 0, 0.01]))
                    fate = chance.random()
                    if fate < 0.2:
                        await session.rollback()
                        continue
                    if fate < 0.4:
                        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            except Unavailable:
                continue
            committed.update((point, point + 10_000))

    async def follow() -> list[Entry]:
        seen: list[Entry] = []
        while True:
            last = done.is_set()
            entries, upto = await read(database, after=len(seen))
            seen += entries
            assert [entry.position for entry in seen] == list(range(1, upto + 1))
            if last:
                return seen
            await asyncio.sleep(0)

    followers = [asyncio.create_task(follow()) for _ in range(2)]
    await asyncio.gather(*map(write_some, range(8)))
    done.set()
    first, second = await asyncio.gather(*followers)
    assert first == second
    assert {entry.point for entry in first} == committed
    assert 40 < len(committed) < 400
    assert (await verdict(database)).broken_at is None


async def test_a_transaction_left_open_elsewhere_does_not_hold_up_the_feed(
    database: Database,
) -> None:
    async with database.transaction() as idle:
        await idle.execute(text("SELECT pg_current_xact_id()"))
        await idle.execute(text("CREATE TABLE held (number int)"))
        await write(database, 1)
        entries, upto = await read(database)
        assert ([entry.point for entry in entries], upto) == ([1], 1)


async def test_who_waits_for_the_head_is_refused_in_time_and_loses_nothing(
    database: Database,
) -> None:
    async def impatient() -> None:
        async with database.transaction() as session:
            await session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            await append(session, [draft(2)])

    async with database.transaction() as holder:
        await append(holder, [draft(1)])
        with pytest.raises(Unavailable):
            await impatient()
    assert [entry.point for entry in (await read(database))[0]] == [1]


# --- cursors


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """Read a journal of three entries."""
    await write(database, 1, 2, 3)
    async with database.transaction() as session:
        yield session


async def test_a_cursor_leads_back_to_its_place(session: AsyncSession) -> None:
    head = await read_head(session)
    for position in (0, 1, 2, 3):
        written = str(await cursor_at(session, head, 4, position))
        assert written.isascii()
        cursor = Cursor.parse(written)
        assert await resolve(session, cursor, generation=4, snapshot="/v1/snapshot") == (
            position,
            head,
        )


@pytest.mark.parametrize(
    "change",
    [
        {"journal": UUID(int=1)},
        {"position": 4},
        {"position": 2**63},
        {"position": 2**64 - 1},
        {"position": 1},
        {"position": 0},
        {"hash": bytes(8)},
    ],
    ids=str,
)
async def test_a_cursor_of_another_history_is_410_and_leads_to_the_snapshot(
    session: AsyncSession, change: dict[str, object]
) -> None:
    cursor = Cursor.parse(str(await cursor_at(session, await read_head(session), 1, 2)))
    forked = replace(cursor, **change)  # type: ignore[arg-type]  # fields by name
    with pytest.raises(JournalForked) as refused:
        await resolve(session, forked, generation=1, snapshot="/v1/snapshot")
    assert (refused.value.status, refused.value.extra) == (410, {"snapshot": "/v1/snapshot"})


async def test_a_cursor_given_before_the_registration_changed_has_expired(
    session: AsyncSession,
) -> None:
    cursor = Cursor.parse(str(await cursor_at(session, await read_head(session), 1, 2)))
    with pytest.raises(CursorExpired) as refused:
        await resolve(session, cursor, generation=2, snapshot="/v1/snapshot")
    assert (refused.value.status, refused.value.extra) == (410, {"snapshot": "/v1/snapshot"})


async def test_after_a_restore_the_cursors_given_since_know_the_fork(database: Database) -> None:
    await write(database, 1)
    async with database.reading() as session:
        kept = await cursor_at(session, await read_head(session), 1, 1)
    await write(database, 2)
    async with database.reading() as session:
        lost = await cursor_at(session, await read_head(session), 1, 2)
    async with database.transaction() as session:  # as a restore of yesterday's backup does
        await session.execute(text("DELETE FROM journal_entries WHERE position = 2"))
        await session.execute(
            text("UPDATE journal_head SET position = 1, hash = :hash"),
            {"hash": (await read(database))[0][0].hash},
        )
    await write(database, 3, 4)
    async with database.reading() as session:
        assert (await resolve(session, kept, generation=1, snapshot="/"))[0] == 1
        with pytest.raises(JournalForked):
            await resolve(session, lost, generation=1, snapshot="/")


@pytest.mark.parametrize(
    "written", ["", "latest", "AAAA", "a" * 10_000, "é", "\0", "AQ==\n", "====", " "]
)
def test_a_text_that_is_no_cursor_is_refused(written: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.parse(written)
