"""Workers that are killed, and workers that only lost a connection: who may send, and when."""

import asyncio
import time

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.delivery.presence import GRACE_SECONDS
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.backlogs import Gate, import_in_bulk
from tests.copies import execute
from tests.faults.test_worker import is_held, worker_process
from tests.partitions import bridge
from tests.peers import OK, peer, read_request
from tests.receivers import (
    Told,
    acknowledged,
    hasty,
    receiver,
    register,
    until,
    working,
)

LEASE = 120.0


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    patient = {"delivery_deadline_seconds": 30.0, "delivery_lease_seconds": LEASE}
    return hasty(settings).model_copy(update=patient)


async def hang(_told: Told) -> bytes:
    await asyncio.sleep(60)
    return OK


async def fences(database: Database) -> list[int]:
    """Read the fences of both lanes."""
    async with database.reading() as session:
        rows = await session.scalars(
            text("SELECT fence FROM followers UNION ALL SELECT fence FROM express_lanes")
        )
        return list(rows)


async def cut_off_workers(database: Database) -> None:
    """End the connections by which workers say that they live."""
    await execute(
        database.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'optout worker'",
    )


async def test_what_a_killed_worker_held_is_told_by_the_next_long_before_its_lease_ends(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(hang, hang) as crm, receiver() as mailer:
        await register(admin, crm.url)
        await register(admin, mailer.url, "mailer")
        await import_in_bulk(registry, 5_000)
        async with worker_process(registry.database.settings) as process:
            await crm.heard(1)
            await registry.object(phone(1))
            await crm.heard_early(1)
            await acknowledged(admin, 5_001, "mailer")
            process.kill()
            await process.wait()
        assert await is_held(registry.database)
        began = time.monotonic()
        await registry.object(phone(2))
        async with working(registry.database.settings):
            await acknowledged(admin, 5_002, "mailer")
            await acknowledged(admin, 5_002)
        assert GRACE_SECONDS < time.monotonic() - began < LEASE / 4


async def test_a_worker_that_lost_its_connection_keeps_what_it_holds_and_sends_once(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    gate = Gate()
    async with receiver(otherwise=gate) as crm:
        await register(admin, crm.url)
        await registry.object(phone(1))
        async with worker_process(registry.database.settings) as holder:
            await crm.heard(1)
            before = await fences(registry.database)
            async with working(registry.database.settings):
                for _ in range(4):
                    await cut_off_workers(registry.database)
                    await asyncio.sleep(GRACE_SECONDS / 2)
                assert await fences(registry.database) == before
                assert len(crm.told) == 1
                gate.open()
                await acknowledged(admin, 1)
            assert holder.returncode is None
        assert (len(crm.told), crm.most_under_way) == (1, 1)


async def test_a_worker_that_cannot_reach_postgresql_breaks_off_before_another_sends(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    events: list[str] = []

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            events.append("request")
            if len(events) == 1:
                assert await reader.read(1) == b""
                events.append("broken off")
                return
            writer.write(OK)

    settings = registry.database.settings
    assert settings.database_url is not None
    async with bridge(settings.database_url.get_secret_value()) as bridged, peer(patient) as crm:
        await register(admin, f"http://127.0.0.1:{crm.port}/hook")
        await registry.object(phone(1))
        apart = settings.model_copy(update={"database_url": SecretStr(bridged.url)})
        async with worker_process(apart) as cut_off_worker:
            await until(lambda: events == ["request"])
            bridged.cut()
            async with working(settings):
                await acknowledged(admin, 1)
            assert cut_off_worker.returncode is None
    assert events == ["request", "broken off", "request"]
