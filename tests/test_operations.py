"""The operations address: alarms go there signed, once, until taken, and past the guard."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.delivery.operations import Operations, send_alarms
from app.platform.alarms import (
    Alarm,
    heal_incident,
    open_incident,
    raise_alarm,
    read_incidents,
    take_alarm,
)
from app.platform.clock import now
from app.platform.db import Database
from app.settings import Settings
from app.worker import work
from tests.receivers import hasty, receiver, saying
from tests.test_alarms import SECRET, heard, operators, told_at


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def test_an_alarm_that_is_not_taken_is_sent_again_with_its_own_id(
    database: Database,
) -> None:
    async with operators(database, saying(500), saying(302), b"") as (desk, send):
        async with database.transaction() as session:
            await raise_alarm(session, "complaint.recorded", now(), channel="web")
        for _ in range(4):
            await send()
            await due(database)
        await send()
    assert len(desk.told) == 4
    assert len({one.headers["webhook-id"] for one in desk.told}) == 1
    assert len({one.body for one in desk.told}) == 1
    assert heard(desk)[0]["data"] == {"channel": "web"}


async def due(database: Database) -> None:
    """Let a failure's wait be over."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE alarms SET due_at = now()"))


async def test_what_failed_is_noted_without_the_path_of_the_address(database: Database) -> None:
    async with receiver() as desk:
        url = desk.url + "?token=secret"
    operations = Operations.of(told_at(database.settings, url))
    assert operations is not None
    async with database.transaction() as session:
        await raise_alarm(session, "complaint.recorded", now())
    await send_alarms(database, operations, asyncio.Event())
    async with database.reading() as session:
        row = (await session.execute(text("SELECT error, tries, sent_at FROM alarms"))).one()
    assert row.error.startswith("connect: 127.0.0.1 port ")
    assert "secret" not in row.error
    assert "secret" not in repr(operations).replace("token=secret", "")
    assert SECRET not in repr(operations)
    assert (row.tries, row.sent_at) == (1, None)


async def test_a_forged_alarm_is_none(database: Database) -> None:
    async with operators(database) as (desk, send):
        async with database.transaction() as session:
            await raise_alarm(session, "complaint.recorded", now())
        await send()
    (told,) = desk.told
    forged = told.body.replace(b"complaint", b"compliant")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(forged, told.headers)


async def test_an_alarm_of_a_transaction_that_fails_is_never_heard(database: Database) -> None:
    async with operators(database) as (desk, send):

        async def fail() -> None:
            async with database.transaction() as session:
                await open_incident(session, "door.silent", "channel:web", now())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        await send()
        assert desk.told == []
    async with database.reading() as session:
        assert await read_incidents(session) == []


async def test_rooms_may_raise_incidents_of_their_own(database: Database) -> None:
    at = now()
    async with database.transaction() as session:
        silent = ("door.silent", "channel:web")
        steps = [
            await open_incident(session, *silent, at, channel="web"),
            await open_incident(session, *silent, at, channel="web"),
            await open_incident(session, *silent, at, level=2, channel="web"),
            await open_incident(session, *silent, at, level=1, channel="web"),
            await heal_incident(session, *silent, at, healed="door.heard", channel="web"),
            await heal_incident(session, *silent, at, healed="door.heard", channel="web"),
        ]
        assert steps == [True, False, True, False, True, False]
        rows = await session.execute(text("SELECT type, data FROM alarms ORDER BY id"))
        assert [tuple(row) for row in rows] == [
            ("door.silent", {"channel": "web"}),
            ("door.silent", {"channel": "web"}),
            ("door.heard", {"channel": "web", "lasted_seconds": 0}),
        ]


async def test_two_workers_take_an_alarm_once(database: Database) -> None:
    async with database.transaction() as session:
        for _ in range(5):
            await raise_alarm(session, "complaint.recorded", now())

    async def take() -> Alarm | None:
        async with database.transaction() as session:
            return await take_alarm(session, wait=timedelta(minutes=1))

    taken = await asyncio.gather(*(take() for _ in range(8)))
    ids = [one.id for one in taken if one is not None]
    assert len(ids) == len(set(ids))
    while (one := await take()) is not None:
        ids.append(one.id)
    assert len(ids) == len(set(ids)) == 5


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7/", "http://169.254.169.254/", "ftp://127.0.0.1/", "https://u:p@127.0.0.1/"],
)
async def test_a_worker_refuses_an_operations_address_that_is_forbidden(
    database: Database, url: str
) -> None:
    settings = told_at(database.settings, url)
    with pytest.raises(ValueError, match=r"^OPTOUT_OPERATIONS_URL: "):
        await asyncio.wait_for(work(settings, asyncio.Event()), 10)


@pytest.mark.parametrize(
    "given",
    [
        {"operations_url": "https://ops.example.com/"},
        {"operations_url": "https://ops.example.com/", "operations_secret": "whsec_c2hvcnQ="},
        {"operations_secret": SECRET.removeprefix("whsec_")},
        {"operations_secret": "whsec_" + "é" * 40},
        {"operations_zone": "everywhere"},
    ],
)
def test_settings_that_cannot_prove_who_speaks_are_refused_without_the_secret(
    given: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match="operations_") as refused:
        Settings(**given)  # type: ignore[arg-type]  # what the environment gives
    assert given.get("operations_secret", "none") not in str(refused.value)
