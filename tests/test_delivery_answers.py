"""What a database answers, and what it is sent next: the rules of the contract, one by one."""

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.peers import OK
from tests.receivers import (
    Says,
    Told,
    acknowledged,
    attempts,
    hasty,
    never,
    receiver,
    register,
    saying,
    spans,
    standing,
    until,
    without_gap,
    working,
)


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


@pytest.fixture
async def registry(database: Database) -> Registry:
    """Open a registry of four people, each with an entry of their own."""
    registry = Registry(database)
    for number in range(1, 5):
        await registry.object(phone(number))
    return registry


async def waits(database: Database) -> list[float]:
    """Tell for how many seconds from now each follower is put off."""
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT extract(epoch FROM due_at - now()) FROM followers ORDER BY id")
        )
        return [float(wait) for wait in rows.scalars()]


async def change(database: Database, what: str) -> None:
    """Change every follower behind everybody's back."""
    async with database.transaction() as session:
        await session.execute(text(f"UPDATE followers SET {what}"))  # noqa: S608 - the test's own


async def failed(admin: httpx.AsyncClient) -> dict[str, Any]:
    """Wait until a request has failed: how the database stands."""

    async def failing() -> bool:
        return (await standing(admin))["last_error"] is not None

    await until(failing)
    return await standing(admin)


@pytest.mark.parametrize(
    "answer",
    [
        saying(200),
        saying(204),
        saying(202, {}),
        saying(200, ["acknowledged_through", 1]),
        saying(200, {"acknowledged_through": 4, "more": None}),
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{broken",
    ],
    ids=["empty", "no content", "empty object", "a list", "all of it", "no JSON"],
)
async def test_success_acknowledges_all(
    admin: httpx.AsyncClient, registry: Registry, answer: bytes
) -> None:
    async with receiver(answer) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            await acknowledged(admin, 4)
        assert spans(crm.told) == [(0, 4)]
    now = await standing(admin)
    assert (now["state"], now["lag_entries"], now["lag_seconds"]) == ("active", 0, 0)


async def test_a_part_may_be_acknowledged_with_outcomes(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    receipt = await registry.object(phone(5))
    done = {"position": 5, "outcome": "applied", "contacts_cancelled": 3}
    partly = saying(200, {"acknowledged_through": 2})
    async with receiver(partly, saying(200, {"outcomes": [done]})) as crm:
        await register(admin, crm.url)
        async with registry.database.transaction() as session:
            await session.execute(text("UPDATE followers SET registered_after = 0"))
        async with working(registry.database.settings):
            await acknowledged(admin, 5)
        assert spans(crm.told) == [(0, 5), (2, 5)]
        assert crm.told[1].positions == [3, 4, 5]
    propagation = await admin.get(f"/v1/opt-outs/{receipt.opt_out.id}/propagation")
    (hop,) = propagation.json()["databases"]
    assert (hop["status"], hop["outcome"]) == ("acknowledged", "applied")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (saying(200, {"acknowledged_through": 5}), "acknowledged-out-of-range"),
        (saying(200, {"acknowledged_through": -1}), "acknowledged-out-of-range"),
        (saying(200, {"acknowledged_through": "4"}), "acknowledged-out-of-range"),
        (saying(200, {"acknowledged_through": 0}), "nothing-acknowledged"),
        (saying(409), "status-409"),
        (saying(409, {"expected_position": 5}), "expected-out-of-range"),
        (saying(409, {"expected_position": 0}), "expected-out-of-range"),
        (saying(409, {"expected_position": 1}), "status-409"),
        (saying(301, None, {"Location": "http://127.0.0.1:1/"}), "status-301"),
        (saying(400), "status-400"),
        (saying(401), "status-401"),
        (saying(500, {"acknowledged_through": 4}), "status-500"),
        (b"", "reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "protocol"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_anything_else_is_a_failure_that_is_named_and_tried_again(
    admin: httpx.AsyncClient, registry: Registry, answer: bytes, error: str
) -> None:
    async with receiver(answer) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            await crm.heard(1)
            await acknowledged(admin, 4)
        first, again = crm.told
    assert first.span == again.span == (0, 4)
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert [(one["error"], one["to"]) for one in await attempts(admin)] == [(error, 4), (None, 4)]
    assert (await standing(admin))["last_error"] is None


async def test_a_failing_database_says_so_and_is_told_what_it_missed_in_order(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=saying(500)) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            now = await failed(admin)
            assert (now["state"], now["acknowledged_position"]) == ("failing", 0)
            assert now["last_error"] == "status-500: the database answered 500"
            assert now["lag_entries"] == 4
            assert now["lag_seconds"] > 0
            await registry.object(phone(5))
            crm.otherwise = OK
            await change(registry.database, "due_at = now()")
            await acknowledged(admin, 5)
        healed = await standing(admin)
        assert (healed["state"], healed["last_error"]) == ("active", None)
        assert without_gap(crm.told)
        assert crm.told[-1].positions[-1] == 5


async def test_a_database_that_hangs_is_cut_off_and_sent_less(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async def hang(_told: Told) -> bytes:
        await asyncio.sleep(5)
        return OK

    async with receiver(hang) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            await acknowledged(admin, 4)
        assert spans(crm.told) == [(0, 4), (0, 2), (2, 4)]
    first = (await attempts(admin))[0]
    assert (first["error"], first["status"]) == ("timeout", None)
    assert 900 < first["duration_ms"] < 2_000


async def test_a_batch_that_is_too_large_is_halved_and_grows_again(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(saying(413), saying(413)) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            await acknowledged(admin, 4)
        assert spans(crm.told) == [(0, 4), (0, 2), (0, 1), (1, 3), (3, 4)]


async def test_after_an_outage_one_entry_is_sent_then_twice_as_many(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(5, 9):
        await registry.object(phone(number))
    async with receiver(saying(502)) as crm:
        await register(admin, crm.url)
        await change(registry.database, "failures = 2")
        async with working(registry.database.settings):
            await crm.heard(1)
            await until(lambda: _noted(registry.database))
            await change(registry.database, "due_at = now()")
            await acknowledged(admin, 8)
        assert [one.positions for one in crm.told] == [
            [1, 2, 3, 4, 5, 6, 7, 8],
            [1],
            [2, 3],
            [4, 5, 6, 7],
            [8],
        ]


async def _noted(database: Database) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(text("SELECT bool_and(failures > 2) FROM followers")))


async def test_a_database_may_ask_for_what_it_lost_and_its_proofs_stay(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm:
        await register(admin, crm.url)
        receipt = await registry.object(phone(5))
        path = f"/v1/opt-outs/{receipt.opt_out.id}/propagation"
        async with working(registry.database.settings):
            await acknowledged(admin, 5)
            proof = (await admin.get(path)).json()
            crm.answers.append(saying(409, {"expected_position": 3}))
            await registry.object(phone(6))
            await acknowledged(admin, 6)
        assert spans(crm.told) == [(0, 5), (5, 6), (2, 6)]
    assert (await admin.get(path)).json() == proof
    assert proof["databases"][0]["status"] == "acknowledged"


async def test_a_database_may_say_that_it_needs_less(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(saying(409, {"expected_position": 4})) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            await acknowledged(admin, 4)
        assert spans(crm.told) == [(0, 4), (3, 4)]


async def test_a_database_that_rewinds_for_ever_is_spaced_out_like_a_failing_one(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async def confused(told: Told) -> bytes:
        return saying(409, {"expected_position": 1 if told.span[0] else 3})

    async with receiver(otherwise=confused) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            for round_of_rewinds in (1, 2, 3):
                await until(partial(_failures, registry.database, round_of_rewinds))
                await change(registry.database, "due_at = now()")
        assert len(crm.told) <= 16
    assert (await standing(admin))["state"] == "failing"


async def _failures(database: Database, least: int) -> bool:
    async with database.reading() as session:
        return bool(
            await session.scalar(text("SELECT failures >= :n FROM followers"), {"n": least})
        )


async def test_a_database_that_is_gone_is_paused_until_a_person_looks(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(saying(410)) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            now = await failed(admin)
            assert (now["state"], now["acknowledged_position"]) == ("paused", 0)
            assert now["last_error"].startswith("gone: the database answered 410")
            await registry.object(phone(5))
            await never(lambda: len(crm.told) > 1, seconds=0.7)
            await admin.post("/v1/databases/crm/resume")
            await acknowledged(admin, 5)
        assert spans(crm.told) == [(0, 4), (0, 5)]
    assert (await standing(admin))["last_error"] is None


@pytest.mark.parametrize(
    ("status", "asked", "least", "most"),
    [
        (429, "100", 95, 100),
        (503, "100", 95, 100),
        (503, "99999999", 21_590, 21_600),
        (429, "soon", -1, 1),
        (500, "100", -1, 1),
    ],
)
async def test_retry_after_is_obeyed_where_it_means_something(
    admin: httpx.AsyncClient,
    registry: Registry,
    status: int,
    asked: str,
    least: float,
    most: float,
) -> None:
    async with receiver(saying(status, None, {"Retry-After": asked}), otherwise=b"") as crm:
        await register(admin, crm.url)
        await change(registry.database, "due_at = now() - interval '1 hour'")
        async with working(registry.database.settings):
            await crm.heard(1)
            await until(lambda: _failures(registry.database, 1))
            (wait,) = await waits(registry.database)
    assert least < wait <= most


async def test_retries_are_spread_over_the_whole_wait(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=saying(500)) as crm:
        for number in range(12):
            await register(admin, crm.url, f"crm-{number}")
        await change(registry.database, "failures = 20")
        async with working(registry.database.settings):
            await until(lambda: _all_failed(registry.database))
            planned = sorted(await waits(registry.database))
        assert len(crm.told) == 12
    assert planned[-1] <= 900
    # That one of twelve lies in neither half happens once in two thousand runs.
    assert planned[0] < 450 < planned[-1]
    assert len(set(planned)) == 12


async def _all_failed(database: Database) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(text("SELECT bool_and(failures > 20) FROM followers")))


async def test_a_redirect_is_not_followed(admin: httpx.AsyncClient, registry: Registry) -> None:
    async with receiver() as elsewhere:
        moved: Says = saying(307, None, {"Location": elsewhere.url})
        async with receiver(moved) as crm:
            await register(admin, crm.url)
            async with working(registry.database.settings):
                await acknowledged(admin, 4)
        assert elsewhere.told == []


async def test_a_destination_that_became_forbidden_is_sent_nothing(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    stricter = registry.database.settings.model_copy(update={"internal_networks": ()})
    async with receiver() as crm:
        await register(admin, crm.url)
        async with working(stricter):
            now = await failed(admin)
        assert crm.told == []
    assert now["last_error"].startswith("forbidden-destination: ")
    assert (await attempts(admin))[0]["error"] == "forbidden-destination"
