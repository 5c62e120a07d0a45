"""Alarms: heard once when something lasts, when it rises, when it is over, whoever dies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from app.delivery.alarms import watch
from app.delivery.operations import Operations, send_alarms
from app.journal import acknowledge, rewind
from app.platform.alarms import (
    forget_alarms,
)
from app.platform.clock import now
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.receivers import (
    Receiver,
    Says,
    acknowledged,
    hasty,
    never,
    receiver,
    register,
    saying,
    standing,
    until,
    working,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's example
MINUTES, HOUR, DAY = 900, 3_600, 86_400


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


def told_at(settings: Settings, url: str) -> Settings:
    """Let the operators be told at a receiver."""
    return settings.model_copy(
        update={
            "operations_url": url,
            "operations_zone": "internal",
            "operations_secret": SecretStr(SECRET),
        }
    )


@asynccontextmanager
async def operators(
    database: Database, *answers: Says
) -> AsyncIterator[tuple[Receiver, Callable[[], Awaitable[None]]]]:
    """Listen where the operators are told; the second sends what is due."""
    async with receiver(*answers) as desk:
        settings = told_at(database.settings, desk.url)
        operations = Operations.of(settings)
        assert operations is not None

        async def send() -> None:
            await send_alarms(database, operations, asyncio.Event())

        yield desk, send


def heard(desk: Receiver) -> list[dict[str, Any]]:
    """Read what the operators were told, each verified by the library."""
    return [dict(Webhook(SECRET).verify(one.body, one.headers)) for one in desk.told]


async def owes_since(database: Database, at: datetime, follower: int = 1) -> None:
    """Let a database have stood where it stands since a time."""
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE followers SET begun_at = :at WHERE id = :id"), {"at": at, "id": follower}
        )
        await session.execute(text("UPDATE journal_entries SET recorded_at = :at"), {"at": at})


async def test_each_threshold_is_heard_once_and_the_recovery_once(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    await registry.object(phone(1))
    begun = now().replace(microsecond=0) - timedelta(days=3)
    await owes_since(database, begun)
    shown = []
    async with operators(database) as (desk, send):
        for seconds in (899, 900, 901, HOUR - 1, HOUR, HOUR + 5, DAY, 2 * DAY):
            for _ in range(2):
                await watch(database, begun + timedelta(seconds=seconds))
                await send()
            shown.append((await standing(admin))["alarm"])
        async with database.transaction() as session:
            await acknowledge(session, 1, 1, now())
        for _ in range(2):
            await watch(database, begun + timedelta(days=2, minutes=1))
            await send()
        found = heard(desk)
    first = (begun + timedelta(seconds=900)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    times = [one.pop("timestamp") for one in found]
    assert times[0] == first
    lagging = {
        "database": "crm",
        "party": "p",
        "lag_entries": 1,
        "state": "active",
        "last_error": None,
    }
    assert found == [
        {
            "type": "database.lagging",
            "data": lagging | {"threshold_seconds": seconds, "lag_seconds": seconds},
        }
        for seconds in (MINUTES, HOUR, DAY)
    ] + [
        {
            "type": "database.recovered",
            "data": {
                "database": "crm",
                "party": "p",
                "incident": "database.lagging",
                "lasted_seconds": 2 * DAY + 60 - MINUTES,
            },
        }
    ]
    assert [one and one["threshold_seconds"] for one in shown] == [
        *(None, MINUTES, MINUTES, MINUTES),
        *(HOUR, HOUR, DAY, DAY),
    ]
    assert shown[-1] == {"type": "database.lagging", "threshold_seconds": DAY, "since": first}
    assert (await standing(admin))["alarm"] is None


async def test_a_database_that_crosses_a_threshold_back_and_forth_is_heard_of_once(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    await registry.object(phone(1))
    begun = now() - timedelta(hours=1)
    await owes_since(database, begun)
    async with operators(database) as (desk, send):
        for seconds in (901, 899, 901, 61, 901, 899):
            await watch(database, begun + timedelta(seconds=seconds))
        await send()
        assert [one["type"] for one in heard(desk)] == ["database.lagging"]
        await watch(database, begun + timedelta(seconds=59))
        await send()
        assert [one["type"] for one in heard(desk)] == ["database.lagging", "database.recovered"]


async def test_a_database_that_is_new_or_told_again_does_not_lag_for_the_age_of_the_journal(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with database.transaction() as session:
        old = now() - timedelta(days=400)
        await session.execute(text("UPDATE journal_entries SET recorded_at = :at"), {"at": old})
    await register(admin)
    await watch(database, now())
    assert (await standing(admin))["lag_seconds"] > 399 * DAY
    assert (await standing(admin))["alarm"] is None
    async with database.transaction() as session:
        await session.execute(text("UPDATE followers SET begun_at = :at"), {"at": old})
        await acknowledge(session, 1, 1, now())
        await rewind(session, 1, to=0)
    await watch(database, now())
    assert (await standing(admin))["alarm"] is None
    async with database.transaction() as session:
        await session.execute(text("UPDATE followers SET begun_at = :at"), {"at": old})
    assert (await admin.patch("/v1/databases/crm", json={"media": ["voice"]})).status_code == 200
    await watch(database, now())
    assert (await standing(admin))["alarm"] is None
    await watch(database, now() + timedelta(minutes=30))
    assert (await standing(admin))["alarm"]["threshold_seconds"] == MINUTES


async def test_workers_that_look_at_once_or_start_again_tell_nothing_twice(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    await registry.object(phone(1))
    await owes_since(database, now() - timedelta(hours=2))
    async with receiver() as desk:
        told = told_at(database.settings, desk.url)
        for _ in range(2):
            async with working(told, workers=3):
                await desk.heard(1)
                await never(lambda: len(desk.told) > 1, seconds=1.2)
    assert [one["data"]["threshold_seconds"] for one in heard(desk)] == [HOUR]


async def test_a_dead_receiver_is_heard_of_while_its_neighbours_are_told(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver(otherwise=saying(500)) as crm, receiver() as mailer, receiver() as desk:
        await register(admin, crm.url)
        await register(admin, mailer.url, "mailer")
        await registry.object(phone(1))
        await owes_since(database, now() - timedelta(minutes=16))
        async with working(told_at(database.settings, desk.url)):
            await acknowledged(admin, 1, "mailer")
            await desk.heard(1)
            crm.otherwise = saying(200)
            await admin.post("/v1/databases/crm/resume")
            await desk.heard(2)
    found = heard(desk)
    assert [(one["type"], one["data"]["database"]) for one in found] == [
        ("database.lagging", "crm"),
        ("database.recovered", "crm"),
    ]


async def test_a_database_that_is_gone_is_heard_of_at_once_and_when_it_is_resumed(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    async with receiver(saying(410)) as crm, receiver() as desk:
        await register(admin, crm.url)
        await registry.object(phone(1))
        async with working(told_at(database.settings, desk.url)):
            await desk.heard(1)
            alarm = (await standing(admin))["alarm"]
            await admin.post("/v1/databases/crm/resume")
            await desk.heard(2)
    gone, back = heard(desk)
    named = {"database": "crm", "party": "p"}
    last_error = "gone: the database answered 410: it wants nothing more; paused"
    assert gone == {
        "type": "database.gone",
        "timestamp": gone["timestamp"],
        "data": named | {"last_error": last_error},
    }
    assert alarm == {
        "type": "database.gone",
        "threshold_seconds": None,
        "since": gone["timestamp"],
    }
    assert back["data"].pop("lasted_seconds") >= 0
    assert (back["type"], back["data"]) == (
        "database.recovered",
        named | {"incident": "database.gone"},
    )


async def test_parked_entries_are_heard_of_until_there_are_none(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    async with operators(database) as (desk, send):
        for statement in (
            "INSERT INTO parked_entries SELECT id, 1, now(), now(), 1, 'no' FROM followers",
            "DELETE FROM parked_entries",
        ):
            async with database.transaction() as session:
                await session.execute(text(statement))
            await watch(database, now())
            await send()
        found = heard(desk)
    assert [one["type"] for one in found] == ["database.parked", "database.recovered"]
    assert found[0]["data"] == {"database": "crm", "party": "p", "parked_entries": 1}


async def test_without_an_operations_address_alarms_are_shown_and_forgotten_in_time(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    await registry.object(phone(1))
    await owes_since(database, now() - timedelta(minutes=20))
    async with working(database.settings):

        async def alarmed() -> bool:
            return (await standing(admin))["alarm"] is not None

        await until(alarmed)
    async with database.transaction() as session:
        assert await forget_alarms(session, before=now() - timedelta(days=30)) == 0
        assert await forget_alarms(session, before=now() + timedelta(days=1)) == 1


async def test_a_deleted_database_takes_its_alarm_with_it(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin)
    await registry.object(phone(1))
    await owes_since(database, now() - timedelta(minutes=20))
    await watch(database, now())
    assert (await admin.delete("/v1/databases/crm")).status_code == 204
    await register(admin)
    assert (await standing(admin))["alarm"] is None
