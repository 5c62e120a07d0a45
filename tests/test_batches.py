"""Batches: read ahead, shared by those at one place, and never older than an erasure may bear."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from app.delivery import batches as module
from app.delivery.batches import Batch, Batches, Place
from app.delivery.rendering import Form
from app.journal import EVERY_MEDIUM, Kind, Scope
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database
from app.points import destroy_values, find_point
from tests.acts import Registry, phone

EVERYTHING = Scope(frozenset(Kind), EVERY_MEDIUM, None)
START = Place(EVERYTHING, Form("plain"), told=0, scanned=0, most=2)


def values(batch: Batch) -> list[str | None]:
    entries = json.loads(batch.body)["data"]["entries"]
    return [entry["identifier"]["value"] for entry in entries]


@pytest.fixture
async def registry(database: Database) -> Registry:
    registry = Registry(database)
    for number in range(7):
        await registry.object(phone(number))
    return registry


@pytest.fixture
async def batches(database: Database, registry: Registry) -> AsyncIterator[Batches]:
    batches = Batches(database, registry.keys, Directory(database))
    yield batches
    await batches.settled()


async def erase(registry: Registry, number: int) -> None:
    async with registry.database.transaction() as session:
        point = await find_point(session, registry.keys, phone(number))
        assert point is not None
        await destroy_values(session, [point], now())


async def test_followers_at_one_place_are_sent_the_same_bytes(batches: Batches) -> None:
    one, other = await asyncio.gather(batches.after(START), batches.after(START))
    assert one is other
    assert await batches.after(START) is one


async def test_the_next_batch_is_read_while_a_full_one_is_sent(
    batches: Batches, registry: Registry
) -> None:
    first = await batches.after(START)
    assert (first.entries, first.full) == (2, True)
    await asyncio.sleep(0.2)
    await erase(registry, 2)
    assert values(await batches.after(START.beyond(first))) == [
        "+33639980002",
        "+33639980003",
        "+33639980004",
        "+33639980005",
    ]


async def test_a_batch_that_was_kept_too_long_is_read_again(
    batches: Batches, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await batches.after(START)).full
    await erase(registry, 0)
    monkeypatch.setattr(module, "_FRESH_SECONDS", 0.0)
    assert values(await batches.after(START)) == [None, "+33639980001"]


async def test_what_is_not_full_is_read_anew(batches: Batches, registry: Registry) -> None:
    place = Place(EVERYTHING, Form("plain"), told=6, scanned=6, most=10)
    assert values(await batches.after(place)) == ["+33639980006"]
    await registry.object(phone(7))
    assert values(await batches.after(place)) == ["+33639980006", "+33639980007"]
