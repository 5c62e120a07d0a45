"""Doors for machines under load and ill will, to the end: a request in, a database told."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.intake import Outcome, Replaying, inbound_api, replay
from app.intake.dialects import DIALECTS, Dialect
from app.intake.inbound_events import Door
from app.intake.inbound_links import Links
from app.intake.inbound_room import Room
from app.intake.inbound_understanding import understand
from app.parties import Directory
from app.platform.clock import now
from app.platform.db import Database
from app.points import PointKeys
from app.settings import Settings
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.doors import decision, listed, open_door, taken
from tests.receivers import PATIENCE, hasty, receiver, register, until, working
from tests.servers import optout
from tests.signers import Mailbox, SendGrid, letter

AT = now()
SENDGRID = SendGrid()


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


def event(name: str, email: str, number: int = 0, **more: object) -> dict[str, object]:
    """Write an event of SendGrid's, of so many minutes after yesterday."""
    at = int((AT - timedelta(days=1) + timedelta(minutes=number)).timestamp())
    said = {"event": name, "email": email, "timestamp": at, "sg_event_id": f"{name} {email}"}
    return {**said, "sg_message_id": "m", **more}


async def send(client: httpx.AsyncClient, path: str, *events: object) -> dict[str, int]:
    """Send events as SendGrid does."""
    signed = SENDGRID.sign(events, now())
    return await taken(await client.post(path, content=signed.body, headers=signed.headers))


@pytest.fixture
async def path(admin: httpx.AsyncClient) -> str:
    """Open a door for SendGrid."""
    return await open_door(admin, "sendgrid", secret=SENDGRID.secret)


async def test_a_batch_of_10_000_is_recorded_and_the_same_again_changes_nothing(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database, path: str
) -> None:
    people = [f"p{number}@example.com" for number in range(1_500)]
    events: list[object] = [event("unsubscribe", one) for one in people]
    events += [event("open", "p1@example.com")] * (10_000 - len(people) - 3)
    events[700:700] = [event("unsubscribe", "nobody"), None, {"event": ["unsubscribe"]}]
    assert len(events) == 10_000
    first = await send(client, path, *events)
    assert first == {"recorded": 1_500, "refused": 3, "dropped": 8_497}
    async with database.reading() as session:
        head = await session.scalar(text("SELECT position FROM journal_head"))
    assert head == 1_500
    assert await send(client, path, *events) == {"duplicate": 1_503, "dropped": 8_497}
    assert [await decision(admin, one) for one in (people[0], people[-1])] == ["block", "block"]
    async with database.reading() as session:
        assert await session.scalar(text("SELECT position FROM journal_head")) == head


async def test_a_large_body_is_read_beside_the_event_loop(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await open_door(admin, "mail", secret=Mailbox.secret)
    mail, loop, here = DIALECTS["mail"], asyncio.get_running_loop(), threading.get_ident()
    begun, answered = asyncio.Event(), threading.Event()
    beside: dict[str, bool] = {}

    def watched(name: str) -> Callable[..., Any]:
        def work(*given: object) -> object:
            beside[name] = threading.get_ident() != here
            if name == "split" and beside[name]:
                loop.call_soon_threadsafe(begun.set)
                assert answered.wait(PATIENCE), "a check waits for a mail to be read"
            return getattr(mail, name)(*given)

        return work

    spied = replace(
        mail,
        needs=watched("needs"),
        verify=watched("verify"),
        visits=watched("visits"),
        split=watched("split"),
    )
    monkeypatch.setitem(cast("dict[str, Dialect]", DIALECTS), "mail", spied)
    signed = Mailbox().sign(letter("STOP", Attached="x" * 100) + b"\n> x" * 6_000_000, now())
    assert len(signed.body) > 24_000_000
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(client.post(path, content=signed.body, headers=signed.headers))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        assert await decision(admin, "jo@example.com") == "allow"
        answered.set()
    assert await taken(sent.result()) == {"recorded": 1}
    assert beside == dict.fromkeys(("needs", "verify", "visits", "split"), True)


async def test_many_events_are_understood_in_turns_with_everybody_else(database: Database) -> None:
    keys = PointKeys.from_settings(database.settings)
    door = Door(1, "mailer", "sendgrid", {}, b"", now())
    turns, over = 0, False

    async def everybody_else() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(everybody_else())
    arrivals = await understand(
        door,
        DIALECTS["sendgrid"],
        [event("unsubscribe", f"p{number}@example.com") for number in range(2_000)],
        keys=keys,
        directory=Directory(database),
        links=Links(database, keys.vault),
        region="FR",
    )
    over = True
    await waiting
    assert len(arrivals) == 2_000
    assert turns >= 2_000 / 100


async def test_requests_about_the_same_people_at_once_wait_for_each_other(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, path: str
) -> None:
    other = await open_door(admin, "sendgrid", slug="other", secret=SENDGRID.secret)
    people = [f"p{number}@example.com" for number in range(40)]
    there = [event("unsubscribe", one, number) for number, one in enumerate(people)]
    back = [event("spamreport", one, 60 - number) for number, one in enumerate(people)]
    answers = await asyncio.gather(
        send(client, path, *there),
        send(client, other, *back),
        send(client, path, *there),
        send(client, path, *back),
    )
    whole = [answer.get("recorded", 0) + answer.get("duplicate", 0) for answer in answers]
    assert whole == [40] * 4
    assert sum(answer.get("recorded", 0) for answer in answers) == 120


async def test_an_event_that_fails_is_listed_holds_up_no_other_and_is_replayed(
    client: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    database: Database,
    database_url: str,
    path: str,
    tmp_path: Path,
) -> None:
    async with database.transaction() as session:
        await session.execute(
            text("""
                CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF new.reason = 3 THEN RAISE 'no complaints today'; END IF; RETURN new; END $$
            """)
        )
        await session.execute(
            text("""
                CREATE TRIGGER fail BEFORE INSERT ON grounds FOR EACH ROW EXECUTE FUNCTION fail()
            """)
        )
    events = [event("unsubscribe", f"p{number}@example.com", number) for number in range(3)]
    events.insert(1, event("spamreport", "ann@example.com"))
    assert await send(client, path, *events) == {"recorded": 3, "refused": 1}
    assert await listed(admin, outcome="refused") == [("complaint", "refused", "fault")]
    async with database.transaction() as session:
        await session.execute(text("DROP TRIGGER fail ON grounds"))
    for once in ({Outcome.RECORDED: 1}, {}):
        keys = PointKeys.from_settings(database.settings)
        directory = Directory(database)
        assert await replay(database, keys, directory, Replaying(channel="mailer")) == once
    assert await listed(admin, outcome="refused") == []
    assert ("complaint", "recorded", "") in await listed(admin)
    assert await decision(admin, "ann@example.com") == "block"
    ran = await asyncio.to_thread(
        optout,
        *("inbound", "replay", "--days", "1", "--recorded", "--json"),
        folder=tmp_path,
        OPTOUT_DATABASE_URL=database_url,
        OPTOUT_DIGEST_KEYS=DIGEST_KEYS,
        OPTOUT_SEALING_KEYS=SEALING_KEYS,
    )
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"recorded": 4}), ran.stderr


async def test_what_nobody_verified_yet_takes_no_more_than_its_room_and_its_time(
    client: httpx.AsyncClient,
    app: FastAPI,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app.state.doors.room = Room(most=100_000)
    answer = await client.post(path, content=b"x" * 100_001)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await send(client, path, event("unsubscribe", "jo@example.com")) == {"recorded": 1}

    async def dripping() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    monkeypatch.setattr(inbound_api, "_SECONDS", 0.05)
    answer = await client.post(path, content=dripping())
    assert (answer.status_code, answer.json()["type"]) == (408, "/problems/request-too-slow")


async def test_a_signed_request_reaches_the_databases_at_once(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database, path: str
) -> None:
    async with receiver() as crm, working(database.settings):
        await register(admin, crm.url)
        assert await send(client, path, event("unsubscribe", "jo@example.com")) == {"recorded": 1}
        assert await decision(admin, "jo@example.com") == "block"
        await until(lambda: any(one.data["entries"] for one in crm.main))
    ((entry,),) = [one.data["entries"] for one in crm.main if one.data["entries"]]
    assert (entry["identifier"]["value"], entry["media"], entry["reason"], entry["lane"]) == (
        "jo@example.com",
        ["email"],
        "unsubscribe",
        "live",
    )
