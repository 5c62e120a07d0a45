"""PostgreSQL with no connection to spare, and with a transaction that somebody left open."""

from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from app.main import create_app
from app.platform.db import Database, Unavailable
from app.settings import Settings
from tests.acts import Registry, phone
from tests.faults.test_worker import listed, numbers, own_server, register_past_the_web
from tests.receivers import acknowledged, hasty, receiver, register, until, without_gap, working


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def take_every_connection(url: str, stack: AsyncExitStack) -> None:
    """Take whatever PostgreSQL has, from the registry too, until it has none itself."""
    plain = url.replace("+asyncpg", "")
    control = await asyncpg.connect(plain)
    stack.push_async_callback(control.close)
    theirs = "FROM pg_stat_activity WHERE application_name LIKE 'optout %'"
    while await control.fetchval(f"SELECT count(pg_terminate_backend(pid)) {theirs}"):
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                connection = await asyncpg.connect(plain)
                stack.push_async_callback(connection.close)


async def refused(registry: Registry, person: int) -> bool:
    """Tell whether an objection is refused in words."""
    try:
        await registry.object(phone(person))
    except Unavailable:
        return True
    return False


async def test_with_every_connection_taken_nothing_is_said_wrongly_and_all_resumes_by_itself(
    settings: Settings, tmp_path: Path
) -> None:
    people, own = 6, own_server(tmp_path / "pg", settings, max_connections="40")
    async with own as (embedded, registry), receiver() as crm:
        await register_past_the_web(registry, crm.url)
        app = create_app(registry.database.settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            working(registry.database.settings),
        ):
            await registry.object(phone(1))
            await until(lambda: listed(crm) == numbers(1))
            async with AsyncExitStack() as stack:
                await take_every_connection(embedded.url(), stack)
                assert await refused(registry, 2)
                ready = await client.get("/readyz")
                assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
            for person in range(2, people + 1):
                await until(partial(taken, registry, person))
            await until(lambda: listed(crm) == numbers(people))
            assert without_gap(crm.told)
            assert (await client.get("/readyz")).status_code == 200


async def taken(registry: Registry, person: int) -> bool:
    """Tell whether an objection was recorded."""
    return not await refused(registry, person)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
async def test_a_transaction_left_open_holds_up_no_delivery(
    admin: httpx.AsyncClient, database: Database, isolation: str
) -> None:
    registry = Registry(database)
    async with receiver() as crm:
        await register(admin, crm.url)
        async with database.transaction() as left_open:
            # It has written, and its number is lower than those of all that come.
            await left_open.execute(text(f"SET TRANSACTION ISOLATION LEVEL {isolation}"))
            await left_open.execute(text("CREATE TABLE left_open AS SELECT pg_current_xact_id()"))
            await left_open.execute(text("SELECT count(*) FROM journal_entries"))
            async with working(database.settings):
                for person in (1, 2, 3):
                    receipt = await registry.object(phone(person))
                    await acknowledged(admin, receipt.position)
        assert listed(crm) == numbers(3)
