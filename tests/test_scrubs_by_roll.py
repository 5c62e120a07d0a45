"""Scrubs by the roll, whole or in parts: as of one position, whatever happens meanwhile."""

import asyncio
from typing import Any

import pytest

from app.platform.db import Database, Unavailable
from app.scrubbing import roll, suppressed
from app.scrubbing.answers import Block
from app.scrubbing.roll import Pages
from app.scrubbing.suppressed import Suppressed
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.scrubbing import answers, scrub, working

LIST = "phone\n" + "".join(f"{phone(number).value}\n" for number in range(6))


@pytest.mark.parametrize("parts", [0, 1, 2])
async def test_a_result_is_as_of_one_position_whatever_happens_while_it_is_made(
    database: Database, caller: Caller, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    registry = Registry(database)
    await registry.object(phone(0), at=minute(1))
    await registry.object(phone(3), at=minute(3))
    decide, decided = Suppressed.decide, asyncio.Event()

    async def changed(self: Suppressed, block: Block) -> None:
        assert self.parts == parts
        await decide(self, block)
        # All rows are answered; now the first is wrong, and so is the second.
        await registry.reinstate(phone(0))
        await registry.object(phone(1), at=minute(2))
        decided.set()

    monkeypatch.setattr(Suppressed, "decide", changed)
    monkeypatch.setattr(roll, "_WORTH", 1 if parts else 0)
    monkeypatch.setattr(suppressed, "PART", 2 if parts > 1 else 1_000)
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        assert decided.is_set()
        assert job["position"] == 4
        found = await answers(client, job)
        assert found[phone(0).value] == "allow,,"
        assert found[phone(1).value] == "block,opted_out,2026-03-01T00:02:00.000000Z"
        assert found[phone(3).value] == "block,opted_out,2026-03-01T00:03:00.000000Z"
        assert job["counts"] == {"allow": 4, "block": 2, "unusable": 0, "duplicate": 0}


async def test_a_scrub_that_is_broken_off_between_two_parts_of_the_roll_is_whole_in_the_end(
    database: Database, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(database)
    for number in range(5):
        await registry.object(phone(number), at=minute(number))
    monkeypatch.setattr(suppressed, "PART", 2)
    read, begun = roll.read_pages, list[int]()

    async def read_or_not(*asked: Any, first: int, **more: Any) -> Pages:  # noqa: ANN401 - as they came
        begun.append(first)
        if begun.count(4) == 1 and first == 4:
            raise Unavailable("not now")
        return await read(*asked, first=first, **more)

    monkeypatch.setattr(suppressed, "read_pages", read_or_not)
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
    assert begun == [0, 2, 4, 4], "what was compared is not compared again"
    assert job["counts"] == {"allow": 1, "block": 5, "unusable": 0, "duplicate": 0}


async def test_who_objects_while_the_roll_is_read_is_blocked(
    database: Database, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(database)
    for number in (0, 1):
        await registry.object(phone(number), at=minute(number))
    await registry.reinstate(phone(0))
    pages: list[int] = []

    async def page(database: Database, first: int, *asked: object) -> object:
        read = await read_page(database, first, *asked)  # type: ignore[arg-type]  # as they came
        pages.append(first)
        if first == 1:
            # Their page was read; one is blocked again, and nobody stands on a page any more.
            await registry.object(phone(0))
            await registry.reinstate(phone(1))
        return read

    read_page = roll._read_page  # noqa: SLF001 - where others write in between
    monkeypatch.setattr(roll, "_PAGE", 1)
    monkeypatch.setattr(roll, "_READERS", 1)
    monkeypatch.setattr(roll, "_read_page", page)
    client = await caller("checks")
    async with working(database):
        found = await answers(client, await scrub(client, LIST.encode(), medium="voice"))
    assert pages == [0, 1, 2]
    assert found[phone(0).value].startswith("block,opted_out,")
    assert found[phone(1).value] == "allow,,"
