"""Backlogs and neighbours: much to tell, hosts that are slow, and nobody who suffers for others."""

import asyncio
import os
import re
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count, pairwise

import httpx
import pytest
from sqlalchemy import text

from app.delivery.batches import MOST_ENTRIES
from app.identifiers import Identifier
from app.journal import Kind
from app.journal.followers import FIRST_BATCH
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.backlogs import import_in_bulk
from tests.peers import OK, peer, read_request
from tests.receivers import (
    Receiver,
    Told,
    acknowledged,
    hasty,
    receiver,
    register,
    saying,
    standing,
    until,
    without_gap,
    working,
)

BACKLOG = int(os.environ.get("OPTOUT_TEST_BACKLOG", "100000"))
"""A million takes minutes, and shows the same."""
_LANE = re.compile(rb'"lane":"(main|express)",')
_POSITION = re.compile(rb'"position":(\d+)')
_FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    patient = {"delivery_deadline_seconds": 60.0, "delivery_lease_seconds": 150.0}
    return hasty(settings).model_copy(update=patient)


@dataclass
class Tally:
    """A receiver that keeps the positions of what it is told, and no more: there is much of it."""

    failing: int = 0
    main: list[list[int]] = field(default_factory=list)
    early: list[list[int]] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while request := await read_request(reader):
            lane = _LANE.search(request)
            assert lane is not None
            positions = [int(found) for found in _POSITION.findall(request)]
            if self.failing:
                self.failing -= 1
                writer.write(_FAILED)
                continue
            if lane[1] == b"express":
                self.behind.append(self.main[-1][-1] if self.main else 0)
                self.early.append(positions)
            else:
                self.main.append(positions)
            writer.write(OK)


async def end_waits(database: Database) -> None:
    """Let no failed database wait."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE followers SET due_at = now() WHERE failures > 0"))


async def test_a_great_backlog_drains_in_order_and_delays_no_live_opt_out(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    tally = Tally()
    async with peer(tally.talk) as crm, working(registry.database.settings):
        await register(admin, f"http://127.0.0.1:{crm.port}/hook")
        head = await import_in_bulk(registry, BACKLOG)
        live: list[int] = []
        while (await standing(admin))["acknowledged_position"] < head + len(live):
            if len(live) < 20:
                live.append((await registry.object(phone(len(live) + 1))).position)
            await asyncio.sleep(0.05)
    told = [position for batch in tally.main for position in batch]
    assert told == list(range(1, BACKLOG + len(live) + 1))
    # Full batches but for the first, the last and those that a live entry cut short.
    assert len(tally.main) <= BACKLOG // MOST_ENTRIES + len(live) + 5
    early = [position for batch in tally.early for position in batch]
    assert early == sorted(set(early))
    assert set(early) <= set(live)
    # While the backlog drained every one came early, many thousand entries before its place.
    waited = [p for p in live if p - head < len(early)]
    assert waited
    assert set(waited) <= set(early)
    assert tally.behind[0] < BACKLOG - 2 * FIRST_BATCH


async def test_a_backlog_that_does_not_concern_a_database_costs_it_no_request_and_no_full_scan(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm:
        await register(admin, crm.url, kinds=["siren"])
        head = await import_in_bulk(registry, BACKLOG)
        last = (await registry.object(Identifier(Kind.SIREN, "732829320"))).position
        async with working(registry.database.settings):
            await acknowledged(admin, last)
    assert [(one.span, one.positions) for one in crm.main] == [((0, last), [last])]
    assert all(one.positions == [last] for one in crm.early)

    async def told() -> bool:
        # A connection tells what it has read when it ends.
        return sum(await rows_read(registry.database)) >= head

    await until(told)
    in_sequence, by_index = await rows_read(registry.database)
    assert in_sequence < head / 10
    assert by_index < 2 * head


async def rows_read(database: Database) -> tuple[int, int]:
    """Count the rows of the journal that were read by looking through it, and by an index."""
    async with database.reading() as session:
        found = await session.execute(
            text("""
                SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables
                WHERE relname = 'journal_entries'
            """)
        )
        row = found.one()
        return row.seq_tup_read, row.idx_tup_fetch


async def test_after_an_outage_a_backlog_begins_with_one_entry_and_doubles(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    tally = Tally(failing=4)
    async with peer(tally.talk) as crm:
        await register(admin, f"http://127.0.0.1:{crm.port}/hook")
        await import_in_bulk(registry, 5_000)
        async with working(registry.database.settings):

            async def drained() -> bool:
                await end_waits(registry.database)
                return bool((await standing(admin))["acknowledged_position"] == 5_000)

            await until(drained)
    sizes = [len(batch) for batch in tally.main]
    assert sizes[:10] == [2**n for n in range(10)]
    assert all(size <= MOST_ENTRIES for size in sizes)
    assert len(sizes) <= 10 + 5_000 // MOST_ENTRIES + 1
    assert tally.early == []


async def test_no_host_has_more_requests_under_way_than_is_set(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    few = registry.database.settings.model_copy(update={"delivery_per_host": 3})

    async def slowly(_told: Told) -> bytes:
        await asyncio.sleep(0.05)
        return OK

    async def hang(_told: Told) -> bytes:
        await asyncio.sleep(60)
        return OK

    async with receiver(otherwise=slowly) as crowd, receiver(otherwise=hang) as hanging:
        for number in range(12):
            await register(admin, crowd.url, f"crowd-{number}")
        for number in range(6):
            await register(admin, hanging.url, f"hanging-{number}")
        await registry.object(phone(1))
        async with working(few):
            await crowd.heard(12)
            for number in range(12):
                await acknowledged(admin, 1, f"crowd-{number}")
        assert crowd.most_under_way == 3
        assert len(hanging.told) == 3


async def waits(registry: Registry, people: range, receivers: list[Receiver]) -> list[float]:
    """Let people object one after the other: how long each receiver waited for each, sorted."""
    found = []
    for number in people:
        receipt = await registry.object(phone(number))
        began = time.monotonic()
        for one in receivers:
            await one.heard_to(receipt.position)
            found.append(one.main[-1].at - began)
    return sorted(found)


async def test_one_that_hangs_and_one_that_flaps_leave_the_others_of_fifty_alone(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    turns = count()

    async def hang(_told: Told) -> bytes:
        await asyncio.sleep(120)
        return OK

    async def flap(_told: Told) -> bytes:
        return (OK, b"", saying(500))[next(turns) % 3]

    async with AsyncExitStack() as stack:
        hanging = await stack.enter_async_context(receiver(otherwise=hang))
        flapping = await stack.enter_async_context(receiver(otherwise=flap))
        healthy = [await stack.enter_async_context(receiver()) for _ in range(48)]
        for number, one in enumerate(healthy):
            await register(admin, one.url, f"healthy-{number}")
        await stack.enter_async_context(working(registry.database.settings))
        before = await waits(registry, range(1, 11), healthy)
        await register(admin, hanging.url, "hanging")
        await register(admin, flapping.url, "flapping")
        after = await waits(registry, range(11, 21), healthy)
        percentile = 99 * len(before) // 100
        # The machine may be busier by as much; a deadline that one waits for would be 60 s more.
        assert after[percentile] < 3 * before[percentile] + 2
        # The first request to the one that hangs is still under way.
        assert hanging.under_way["main"] == len(hanging.told) == 1
        assert all(without_gap(one.told) for one in healthy)
        assert all(len(one.told) <= 20 for one in healthy), "each was told once"

        async def flapped_through() -> bool:
            await end_waits(registry.database)
            return bool((await standing(admin, "flapping"))["acknowledged_position"] == 20)

        await until(flapped_through)
        assert without_gap(flapping.told)
        heard = [one.positions for one in flapping.main]
        assert all(later[0] <= earlier[-1] + 1 for earlier, later in pairwise(heard))
