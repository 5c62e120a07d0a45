"""Workers killed, stopped, left without PostgreSQL: all is told, in order, little of it twice."""

import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.delivery.databases import NewDatabase, add_database
from app.delivery.endpoints import Way
from app.journal import EVERY_MEDIUM, Kind, Scope
from app.parties import NewParty, create_party
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.embedded import Embedded
from app.platform.schema import upgrade
from app.settings import Settings
from tests.acts import Registry, phone
from tests.conftest import NOT_DURABLE
from tests.peers import OK
from tests.receivers import (
    Receiver,
    Table,
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


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


@asynccontextmanager
async def worker_process(
    settings: Settings, log: Path | None = None, **given: str
) -> AsyncIterator[Process]:
    """Run a worker as a process of its own, which is killed at the end if it still runs."""
    assert settings.database_url is not None
    assert settings.digest_keys is not None
    assert settings.sealing_keys is not None
    variables = {
        "OPTOUT_DATABASE_URL": settings.database_url.get_secret_value(),
        "OPTOUT_DIGEST_KEYS": settings.digest_keys.get_secret_value(),
        "OPTOUT_SEALING_KEYS": settings.sealing_keys.get_secret_value(),
        "OPTOUT_INTERNAL_NETWORKS": "127.0.0.1/32",
        "OPTOUT_DELIVERY_DEADLINE_SECONDS": str(settings.delivery_deadline_seconds),
        "OPTOUT_DELIVERY_LEASE_SECONDS": str(settings.delivery_lease_seconds),
        "OPTOUT_DELIVERY_SLOTS": str(settings.delivery_slots),
        "OPTOUT_LOG_LEVEL": "debug",
    }
    out = (log or Path(os.devnull)).open("wb")
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "app.worker", env=os.environ | variables | given,
            stdout=out, stderr=out,
        )  # fmt: skip
    finally:
        out.close()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def listed(receiver: Receiver) -> set[str | None]:
    """Tell whom a receiver lists after all it was told."""
    return {value for _, value, _ in Table.of(receiver.told).suppressed}


def numbers(count: int) -> set[str]:
    """Name so many people, as the registry does."""
    return {phone(number).value for number in range(1, count + 1)}


async def take_the_lease_away(database: Database) -> None:
    """Let the time of every lease pass."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE followers SET lease_until = now() - interval '1 s'"))


async def is_held(database: Database) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(text("SELECT lease_until > now() FROM followers")))


WAITS_FOR = {
    "after the claim": "contact_points IN ACCESS EXCLUSIVE",  # to show the entries
    "during the commit": "acknowledgements IN EXCLUSIVE",  # to write one down
}
"""What a worker is made to wait for at a stage, which else is over before it can be killed."""


@pytest.mark.parametrize("stage", ["after the claim", "after the 2xx", "during the commit"])
async def test_a_worker_that_is_killed_loses_nothing_and_repeats_one_batch(
    admin: httpx.AsyncClient, registry: Registry, stage: str
) -> None:
    for number in range(1, 5):
        await registry.object(phone(number))
    async with receiver() as crm, AsyncExitStack() as stack:
        await register(admin, crm.url)
        if stage in WAITS_FOR:
            blocking = await stack.enter_async_context(registry.database.transaction())
            await blocking.execute(text(f"LOCK TABLE {WAITS_FOR[stage]} MODE"))
        async with worker_process(registry.database.settings) as process:
            if stage == "after the 2xx":

                async def kill(_told: Told) -> bytes:
                    process.kill()
                    return OK

                crm.answers.append(kill)
            if stage == "after the claim":
                await until(partial(is_held, registry.database))
            else:
                await crm.heard(1)
            if stage in WAITS_FOR:
                await until(partial(waits_for_a_lock, registry.database))
            if stage != "after the 2xx":
                process.kill()
            await process.wait()
        await stack.aclose()
        assert (await standing(admin))["acknowledged_position"] == 0
        began = time.monotonic()
        async with working(registry.database.settings):
            await registry.object(phone(5))
            await acknowledged(admin, 5)
        assert time.monotonic() - began < 20
        assert listed(crm) == numbers(5)
        assert without_gap(crm.told)
        times = Counter(position for one in crm.told for position in one.positions)
        assert max(times.values()) <= 2


async def waits_for_a_lock(database: Database) -> bool:
    async with database.reading() as session:
        waiting = await session.scalar(
            text("SELECT count(*) FROM pg_locks WHERE NOT granted AND database = ("
                 "SELECT oid FROM pg_database WHERE datname = current_database())")
        )  # fmt: skip
        return bool(waiting)


async def test_workers_killed_again_and_again_tell_everything_in_order(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    chance = random.Random(7)  # noqa: S311 - a test that can be repeated
    people, kills = 120, 5

    async def erratic(_told: Told) -> bytes:
        await asyncio.sleep(chance.random() / 20)
        return chance.choice([OK, OK, saying(500), b""])

    async with receiver(otherwise=erratic) as crm, receiver() as mailer:
        await register(admin, crm.url)
        await register(admin, mailer.url, "mailer")
        for life in range(kills):
            async with worker_process(registry.database.settings) as process:
                for number in range(life * people // kills, (life + 1) * people // kills):
                    await registry.object(phone(number + 1))
                await mailer.heard_to(1)
                await asyncio.sleep(chance.random())
                process.kill()
                await process.wait()
            await take_the_lease_away(registry.database)
        crm.otherwise = OK
        async with working(registry.database.settings, workers=2):
            await admin.post("/v1/databases/crm/resume")
            await acknowledged(admin, people)
            await acknowledged(admin, people, "mailer")
        for told in (crm, mailer):
            assert listed(told) == numbers(people)
            assert without_gap(told.told)
            assert told.most_under_way == 1
        times = Counter(position for one in mailer.told for position in one.positions)
        assert max(times.values()) <= kills + 1


async def test_a_worker_stopped_past_its_lease_is_not_believed(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(1, 5):
        await registry.object(phone(number))
    patient = registry.database.settings.model_copy(
        update={"delivery_deadline_seconds": 20.0, "delivery_lease_seconds": 60.0}
    )
    async with receiver() as crm:
        await register(admin, crm.url)
        async with worker_process(patient) as stopped:

            async def stop(_told: Told) -> bytes:
                stopped.send_signal(signal.SIGSTOP)
                return OK

            crm.answers.append(stop)
            crm.answers.append(saying(200, {"acknowledged_through": 1}))
            crm.otherwise = saying(500)
            await crm.heard(1)
            await take_the_lease_away(registry.database)
            async with working(registry.database.settings):
                await crm.heard(3)
                await until(partial(has_failed, registry.database))
                # It had the answer that it had brought all four.
                stopped.send_signal(signal.SIGCONT)
                await asyncio.sleep(1)
                stood = await standing(admin)
                assert (stood["acknowledged_position"], stood["state"]) == (1, "failing")
                crm.otherwise = OK
                await admin.post("/v1/databases/crm/resume")
                await acknowledged(admin, 4)
        assert crm.told[-1].positions[-1] == 4
        async with registry.database.reading() as session:
            proofs = await session.execute(
                text("SELECT after, upto FROM acknowledgements ORDER BY upto")
            )
            assert next(tuple(proof) for proof in proofs) == (0, 1)


async def has_failed(database: Database) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(text("SELECT failures > 0 FROM followers")))


async def test_a_worker_that_is_ended_lets_its_request_end_and_gives_the_lease_back(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with receiver() as crm:
        await register(admin, crm.url)
        async with worker_process(registry.database.settings) as process:

            async def end(_told: Told) -> bytes:
                process.terminate()
                await asyncio.sleep(0.5)
                return OK

            crm.answers.append(end)
            await crm.heard(1)
            assert await asyncio.wait_for(process.wait(), 30) == 0
        assert (await standing(admin))["acknowledged_position"] == 1
        assert not await is_held(registry.database)
        assert len(crm.told) == 1


async def test_a_worker_logs_no_contact_point_and_no_secret(
    admin: httpx.AsyncClient, registry: Registry, tmp_path: Path
) -> None:
    async def echo(told: Told) -> bytes:
        return saying(500, told.document)

    log = tmp_path / "worker.log"
    hashed = {"identifier_format": "hmac-sha256"}
    async with receiver(echo, saying(410, {"sorry": "+33639980001"})) as crm:
        issued = await register(admin, crm.url, delivery=hashed)
        await registry.object(phone(1))
        async with worker_process(registry.database.settings, log):

            async def paused() -> bool:
                return bool((await standing(admin))["state"] == "paused")

            await until(paused)
    written = log.read_text()
    assert "a database is gone" in written
    for secret in ("639980001", "/hook", issued["signing_secret"][6:], issued["identifier_key"]):
        assert secret not in written


async def test_one_database_that_hangs_holds_up_none_of_more_than_there_are_slots(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    patient = registry.database.settings.model_copy(
        update={
            "delivery_deadline_seconds": 10.0,
            "delivery_lease_seconds": 25.0,
            "delivery_slots": 2,
        }
    )

    async def hang(_told: Told) -> bytes:
        await asyncio.sleep(60)
        return OK

    async with AsyncExitStack() as stack:
        hanging = await stack.enter_async_context(receiver(otherwise=hang))
        await register(admin, hanging.url, "hanging")
        healthy = [await stack.enter_async_context(receiver()) for _ in range(8)]
        for number, one in enumerate(healthy):
            await register(admin, one.url, f"healthy-{number}")
        async with worker_process(patient):
            for number in range(1, 6):
                receipt = await registry.object(phone(number))
                began = time.monotonic()
                for one in healthy:
                    await one.heard_to(receipt.position)
                if number > 1:  # the first waits for the process to start
                    assert time.monotonic() - began < 8
            assert hanging.under_way["main"] == len(hanging.told) == 1


@asynccontextmanager
async def own_server(
    folder: Path, settings: Settings, **given: str
) -> AsyncIterator[tuple[Embedded, Registry]]:
    """Run a PostgreSQL of the test's own, with a registry in it; ``given`` are its settings."""
    embedded = Embedded(folder, settings=NOT_DURABLE | given)
    embedded.start()
    try:
        await asyncio.to_thread(upgrade, embedded.url(), init=True)
        url = SecretStr(embedded.url())
        settings = settings.model_copy(update={"database_url": url})
        database = Database.open(embedded.url(), settings)
        yield embedded, Registry(database)
        await database.close()
    finally:
        embedded.stop()


async def register_past_the_web(registry: Registry, url: str) -> None:
    """Register a database to be told at ``url``, without an app."""
    party = NewParty("p", "P", "department", "FR", "p@example.com", None)
    scope = Scope(frozenset(Kind), EVERY_MEDIUM, None)
    way = Way("webhook", "plain", url, "internal")
    new = NewDatabase("crm", "The CRM", "p", scope, way, "beginning")
    async with registry.database.transaction() as session:
        await create_party(session, party, actor="tests", at=now())
        await add_database(session, registry.keys.vault, new, actor="tests", at=now())


async def test_delivery_resumes_by_itself_when_postgresql_is_back(
    settings: Settings, tmp_path: Path
) -> None:
    people = 60
    async with own_server(tmp_path / "pg", settings) as (embedded, registry), receiver() as crm:

        async def slowly(_told: Told) -> bytes:
            await asyncio.sleep(0.05)
            return OK

        crm.otherwise = slowly
        await register_past_the_web(registry, crm.url)
        async with working(registry.database.settings, workers=2):
            for number in range(1, people + 1):
                if number in (20, 40):
                    await asyncio.to_thread(embedded.stop)
                    await asyncio.sleep(0.5)
                    embedded.start()
                await object_until_taken(registry, number)
            await until(lambda: listed(crm) == numbers(people))
            assert crm.most_under_way == 1
            assert without_gap(crm.told)


async def object_until_taken(registry: Registry, number: int) -> None:
    """Record an opt-out, again and again until it is."""
    for _ in range(20):
        with suppress(Unavailable):
            await registry.object(phone(number))
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the registry does not come back")
