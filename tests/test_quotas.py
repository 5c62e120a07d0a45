"""Quotas: requests a second, contact points a day, shared by processes and kept over restarts."""

import time
from dataclasses import replace
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.parties import Caller, NewKey, QuotaExceeded, Quotas, create_key
from app.platform.clock import now
from app.platform.db import Database
from tests.conftest import Caller as MakeClient
from tests.test_keys import key_client
from tests.test_parties import problem

LIMITED = Caller(1, UUID(int=1), "k", frozenset({"checks"}), checks_per_day=100)


async def left(quotas: Quotas, caller: Caller = LIMITED) -> int:
    """Find out how much a caller may still check, without checking it."""
    with pytest.raises(QuotaExceeded) as refused:
        await quotas.count_checked(caller, 10**9)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 86_400
    return int(refused.value.detail.split()[-2])


@pytest.fixture
async def quotas(database: Database) -> Quotas:
    """Count for a key that is registered."""
    async with database.transaction() as session:
        issued = await create_key(session, NewKey("k", ["checks"]), actor="tests", at=now())
    assert issued.key.number == LIMITED.key
    return Quotas(database)


async def test_a_key_that_asks_too_often_is_429_until_a_second_has_passed(
    app: FastAPI, database: Database
) -> None:
    async with key_client(app, database, requests_per_second=5) as client:
        began = time.monotonic()
        answers = [await client.get("/v1/brands") for _ in range(20)]
        allowed = [answer for answer in answers if answer.status_code == 200]
        most = 5 * (time.monotonic() - began) + 5
        assert 5 <= len(allowed) <= most
        refused = next(answer for answer in answers if answer.status_code != 200)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert problem(refused) == {
            "type": "/problems/quota-exceeded",
            "title": "The key's quota is used up",
            "status": 429,
            "detail": "This key may make 5 requests a second.",
            "violated-policies": ["requests"],
        }
        assert refused.headers["ratelimit-policy"] == '"requests";q=5;w=1'
        assert refused.headers["ratelimit"] == '"requests";r=0;t=1'


async def test_an_administrator_has_no_quota(app: FastAPI, database: Database) -> None:
    async with key_client(
        app, database, "admin", requests_per_second=1, checks_per_day=1
    ) as client:
        assert {(await client.get("/v1/brands")).status_code for _ in range(20)} == {200}
    free = replace(LIMITED, scopes=frozenset({"admin"}))
    await app.state.access.quotas.count_checked(free, 1_000_000)


async def test_refused_requests_count_for_nothing_and_wrong_scopes_count(
    app: FastAPI, database: Database, caller: MakeClient
) -> None:
    async with key_client(app, database, "checks", requests_per_second=1) as client:
        statuses = [(await client.get("/v1/brands")).status_code for _ in range(3)]
    assert statuses == [403, 429, 429]
    other = await caller("parties:read")
    assert (await other.get("/v1/brands")).status_code == 200


async def test_what_a_key_checks_in_a_day_is_counted_whole_or_not_at_all(
    quotas: Quotas,
) -> None:
    await quotas.count_checked(LIMITED, 60)
    with pytest.raises(QuotaExceeded) as refused:
        await quotas.count_checked(LIMITED, 41)
    assert refused.value.detail == (
        "This key may check 100 contact points a day (UTC) and has 40 left."
    )
    await quotas.count_checked(LIMITED, 40)
    assert await left(quotas) == 0


async def test_without_a_limit_of_its_own_a_key_has_that_of_the_settings(
    quotas: Quotas, database: Database
) -> None:
    unlimited = replace(LIMITED, checks_per_day=None)
    assert await left(quotas, unlimited) == database.settings.key_checks_per_day


async def test_processes_share_the_count_after_a_flush(quotas: Quotas, database: Database) -> None:
    other = Quotas(database)
    await quotas.count_checked(LIMITED, 10)
    await other.count_checked(LIMITED, 20)
    await quotas.flush()
    await other.flush()
    assert await left(other) == 70
    await quotas.count_checked(LIMITED, 5)
    await quotas.flush()
    assert await left(quotas) == 65


async def test_a_process_that_rested_learns_what_others_counted_meanwhile(
    quotas: Quotas, database: Database
) -> None:
    other = Quotas(database)
    await quotas.count_checked(LIMITED, 10)
    await quotas.flush()
    await quotas.flush()
    await other.count_checked(LIMITED, 50)
    await other.flush()
    assert await left(quotas) == 40


async def test_the_count_survives_a_restart(app: FastAPI, database: Database) -> None:
    async with key_client(app, database, "checks", checks_per_day=3) as client:
        check = {"email": "a@example.com", "medium": "email"}
        statuses = [(await client.post("/v1/checks", json=check)).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
    await app.state.access.stop()
    async with database.reading() as session:
        number = await session.scalar(text("SELECT number FROM keys WHERE name = 'limited'"))
    after = replace(LIMITED, key=number, checks_per_day=3)
    assert await left(Quotas(database), after) == 0


async def test_what_could_not_be_written_is_written_with_the_next(
    quotas: Quotas, database: Database
) -> None:
    await quotas.count_checked(LIMITED, 10)
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE key_usage RENAME TO away"))
    with pytest.raises(Exception, match="key_usage"):
        await quotas.flush()
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE away RENAME TO key_usage"))
    await quotas.count_checked(LIMITED, 5)
    await quotas.flush()
    async with database.reading() as session:
        assert await session.scalar(text("SELECT checked FROM key_usage")) == 15
