"""Going over to other phone tables: nobody is missed before, during or after it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from app.checks.lookups import LookUps
from app.identifiers import PHONE_TABLES, Identifier
from app.intake import renormalise
from app.intake.receipts import read_receipt
from app.journal import EVERY_MEDIUM, Change, Entry, Kind, Media, Scope, find_window, read_entries
from app.platform.db import Database, Unavailable
from app.points import PhoneTablesUnfit, claim_points, open_points, open_registry
from app.registry import read_states
from tests.acts import Registry, minute, phone
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.servers import optout

OLD, NEW = phone(1), phone(2)
NEWER = "99.0.0+1"


def read(normals: Sequence[str]) -> list[str]:
    """Read by the newer tables: what was one form is another, and all else as before."""
    return [NEW.value if normal == OLD.value else normal for normal in normals]


def with_tables(database: Database, tables: str) -> Registry:
    """Open the registry as a process with these phone tables does."""
    registry = Registry(database)
    registry.keys = replace(registry.keys, tables=tables)
    return registry


@pytest.fixture
def before(database: Database) -> Registry:
    """Open the registry as a process of the older release."""
    return Registry(database)


@pytest.fixture
def after(database: Database) -> Registry:
    """Open the registry as a process of the newer release."""
    return with_tables(database, NEWER)


@asynccontextmanager
async def asking(registry: Registry) -> AsyncIterator[LookUps]:
    look_ups = LookUps(
        registry.database, registry.keys.digests.numbers, tables=registry.keys.tables
    )
    try:
        yield look_ups
    finally:
        await look_ups.stop()


async def blocks(registry: Registry, person: Identifier, medium: Media = Media.VOICE) -> bool:
    """Ask about one person, alone and among many."""
    digests = registry.keys.digests.digests(person)
    async with asking(registry) as look_ups:
        allowed = await registry.allows(look_ups, [person], medium, None)
        among_many = (await look_ups.many(digests, medium=medium, brand=None)).since
        assert allowed != bool(among_many)
    return not allowed


async def renormalised(registry: Registry) -> tuple[int, int]:
    done = await renormalise(registry.database, registry.keys, read=read)
    return done.merged, done.unreadable


async def entries(database: Database) -> list[Entry]:
    async with database.reading() as session:
        everything = Scope(frozenset(Kind), EVERY_MEDIUM, None)
        found = await find_window(session, everything, after=0, head=1_000, most=1_000)
        return await read_entries(session, found.positions)


async def value_of(registry: Registry, point: int) -> str | None:
    async with registry.database.reading() as session:
        opened = (await open_points(session, registry.keys, [point]))[point].identifier
    return opened.value if opened else None


async def test_whoever_was_suppressed_under_the_old_form_is_so_under_the_new_one(
    before: Registry, after: Registry
) -> None:
    await before.object(phone(3))
    receipt = await before.object(OLD, media=Media.VOICE, at=minute(1))
    assert await renormalised(after) == (1, 0)
    assert await renormalised(after) == (0, 0)
    assert [await blocks(after, one) for one in (NEW, OLD, phone(3), phone(4))] == [
        *(True, True, True, False)
    ]
    last = (await entries(after.database))[-1]
    assert (last.change, last.media, last.version) == (Change.ADDED, Media.VOICE, 1)
    assert await value_of(after, last.point) == NEW.value
    async with after.database.reading() as session:
        told = await read_receipt(session, after.keys, receipt.opt_out)
        (state,) = await read_states(session, [last.point])
    assert [one.masked for one in told.suppressed] == ["+33 6 •• •• •• 02"]
    assert (told.position, state.since) == (receipt.position, minute(1))


async def test_what_was_suppressed_under_both_forms_is_united(
    before: Registry, after: Registry
) -> None:
    await before.object(OLD, media=Media.VOICE, at=minute(1))
    await before.object(OLD, media=Media.SMS, brand=1)
    await before.object(NEW, media=Media.EMAIL, at=minute(2))
    await renormalised(after)
    told = [(one.brand, one.media, one.version) for one in (await entries(after.database))[3:]]
    assert sorted(told) == [(0, Media.VOICE | Media.EMAIL, 2), (1, Media.SMS, 1)]


async def test_an_older_process_serves_until_the_cut_and_neither_answers_nor_writes_after_it(
    before: Registry, after: Registry
) -> None:
    await before.object(OLD)
    served: list[bool] = []

    def reading(normals: Sequence[str]) -> list[str]:
        if not served:
            served.append(True)
            asked.append(asyncio.create_task(blocks(before, OLD)))
        return read(normals)

    asked: list[asyncio.Task[bool]] = []
    await renormalise(after.database, after.keys, read=reading)
    assert len(asked) == 1
    for act in (
        blocks(before, OLD),
        before.object(phone(5)),
        before.reinstate(OLD),
        before.erase(OLD),
    ):
        with pytest.raises(Unavailable, match="optout renormalise"):
            await act
    await asyncio.gather(*asked, return_exceptions=True)
    assert await blocks(after, NEW)
    assert not await blocks(after, phone(5))


async def test_what_an_older_process_writes_while_all_is_looked_through_is_merged_too(
    before: Registry, after: Registry
) -> None:
    await before.object(phone(3))
    arrived = asyncio.Event()
    writers: list[asyncio.Task[None]] = []

    async def slow_writer() -> None:
        async with before.database.transaction() as session:
            await claim_points(session, before.keys, [OLD])
            arrived.set()
            await asyncio.sleep(0.3)

    def reading(normals: Sequence[str]) -> list[str]:
        if not writers:
            writers.append(asyncio.create_task(slow_writer()))
        return read(normals)

    done = await renormalise(after.database, after.keys, read=reading)
    await asyncio.gather(*writers)
    assert arrived.is_set()
    assert done.merged == 1, "the cut waited for whoever was writing"


async def test_a_run_that_was_interrupted_lets_nobody_answer_until_it_is_run_again(
    before: Registry, after: Registry
) -> None:
    await before.object(OLD)
    await before.object(*(phone(number) for number in range(10, 14)))
    runs = 0

    def failing(normals: Sequence[str]) -> list[str]:
        nonlocal runs
        runs += bool(normals)
        if runs > 1:
            raise RuntimeError("killed")
        return read(normals)

    with pytest.raises(RuntimeError):
        await renormalise(after.database, after.keys, read=failing)
    for registry in (before, after):
        with pytest.raises(Unavailable):
            await blocks(registry, OLD)
        with pytest.raises(Unavailable):
            await registry.object(phone(6))
    assert await renormalised(after) == (1, 0)
    assert await blocks(after, NEW)


async def test_a_later_act_of_the_person_lifts_the_old_form_too(
    before: Registry, after: Registry
) -> None:
    await before.object(OLD, at=minute(1))
    await renormalised(after)
    await after.reinstate(NEW, media=Media.SMS, at=minute(2))
    assert [await blocks(after, one, Media.SMS) for one in (NEW, OLD)] == [False, False]
    assert [await blocks(after, one) for one in (NEW, OLD)] == [True, True]
    lifted = [one for one in await entries(after.database) if one.change is Change.LIFTED]
    assert {await value_of(after, one.point) for one in lifted} == {OLD.value, NEW.value}


async def test_voiding_an_old_opt_out_frees_both_forms_but_of_what_else_stands(
    before: Registry, after: Registry
) -> None:
    mistake = await before.object(OLD, at=minute(1))
    await before.object(NEW, media=Media.VOICE, at=minute(1))
    await renormalised(after)
    await after.void(mistake.opt_out.id)
    assert [await blocks(after, NEW, medium) for medium in (Media.VOICE, Media.SMS)] == [
        *(True, False)
    ]
    assert [await blocks(after, OLD, medium) for medium in (Media.VOICE, Media.SMS)] == [
        *(True, False)
    ]


@pytest.mark.parametrize("later", [OLD, phone(7)])
async def test_a_form_that_becomes_another_one_again_is_blocked_for_what_was_said_meanwhile(
    before: Registry, after: Registry, later: Identifier
) -> None:
    await before.object(OLD, media=Media.VOICE)
    await renormalised(after)
    await after.object(NEW, media=Media.SMS)
    assert not await blocks(after, OLD, Media.SMS)
    last = with_tables(after.database, "100.0.0+1")

    def read_last(normals: Sequence[str]) -> list[str]:
        return [later.value if normal == OLD.value else normal for normal in normals]

    await renormalise(last.database, last.keys, read=read_last)
    assert [
        await blocks(last, one, medium)
        for one in (later, NEW)
        for medium in (Media.VOICE, Media.SMS)
    ] == [True] * 4


async def test_an_erasure_is_about_the_old_form_too_whenever_it_was_asked_for(
    before: Registry, after: Registry
) -> None:
    await before.object(OLD)
    pending = await before.erase(OLD)
    await renormalised(after)
    told = (await entries(after.database))[-1]
    assert (told.change, told.media) == (Change.ERASED, EVERY_MEDIUM)
    assert await after.destroy(pending)
    assert await blocks(after, NEW)
    async with after.database.reading() as session:
        left = await session.scalar(text("SELECT count(sealed) FROM contact_points"))
    assert left == 0


async def test_erasing_the_new_form_destroys_the_old_one(before: Registry, after: Registry) -> None:
    await before.object(OLD)
    await renormalised(after)
    assert await after.destroy(await after.erase(NEW))
    async with after.database.reading() as session:
        left = await session.scalar(text("SELECT count(sealed) FROM contact_points"))
    assert left == 0
    erased = [one for one in await entries(after.database) if one.change is Change.ERASED]
    assert len(erased) == 2


async def test_the_erased_are_counted_for_they_cannot_be_read_again(
    before: Registry, after: Registry
) -> None:
    await before.object(OLD)
    assert await before.destroy(await before.erase(OLD))
    assert await renormalised(after) == (0, 1)
    assert await blocks(after, OLD)


async def test_a_registry_without_phones_takes_whatever_tables_come(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("UPDATE phone_tables SET version = '1.0+1'"))
    async with open_registry(database.settings):
        pass
    async with database.reading() as session:
        assert await session.scalar(text("SELECT version FROM phone_tables")) == PHONE_TABLES


@pytest.mark.parametrize("version", ["1.0+1", NEWER, ""])
async def test_a_registry_of_other_tables_is_refused_and_the_command_named(
    before: Registry, version: str
) -> None:
    await before.object(OLD)
    async with before.database.transaction() as session:
        await session.execute(
            text("UPDATE phone_tables SET version = :version"), {"version": version}
        )
    with pytest.raises(PhoneTablesUnfit, match="optout renormalise"):
        async with open_registry(before.database.settings):
            pass


async def test_the_command_brings_the_phones_over_and_serve_refuses_newer_ones(
    before: Registry, database_url: str, tmp_path: Path
) -> None:
    await before.object(OLD)

    async def run(*words: str, version: str) -> tuple[int, str]:
        async with before.database.transaction() as session:
            await session.execute(
                text("UPDATE phone_tables SET version = :version"), {"version": version}
            )
        ran = await asyncio.to_thread(
            optout,
            *words,
            folder=tmp_path,
            OPTOUT_DATABASE_URL=database_url,
            OPTOUT_DIGEST_KEYS=DIGEST_KEYS,
            OPTOUT_SEALING_KEYS=SEALING_KEYS,
        )
        return ran.returncode, ran.stderr

    status, said = await run("serve", "--no-worker", version=NEWER)
    assert (status, f"tables {NEWER}" in said, "optout renormalise" in said) == (1, True, True)
    status, said = await run("renormalise", version="1.0+1")
    assert (status, said.strip()) == (
        0,
        "0 phone numbers were merged into their new normal form.",
    )
    assert await blocks(before, OLD)
