"""The same request again: by its reference, by its idempotency key."""

import asyncio
from typing import Any

import httpx
import pytest

from app.platform.db import Database
from tests.desk import (
    EMAIL,
    FULL,
    LETTER,
    MONDAY,
    PHONE,
    TUESDAY,
    count,
    objected,
    post,
    register,
)
from tests.test_parties import problem


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


async def test_the_same_reference_is_the_same_receipt(
    desk: httpx.AsyncClient, database: Database
) -> None:
    first = await post(desk, "/v1/opt-outs", FULL)
    spelled = FULL | {"identifiers": [EMAIL, {"kind": "phone", "value": "+33639980001"}]}
    for body in (FULL, spelled):
        again = await post(desk, "/v1/opt-outs", body)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]
    assert (await count(database, "opt_outs"), await count(database, "journal_entries")) == (1, 2)
    other_channel = await post(desk, "/v1/opt-outs", FULL | {"channel": "web"})
    assert other_channel.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"identifiers": [PHONE]},
        {"identifiers": [PHONE, {"kind": "email", "value": "unheard-of@example.com"}]},
        {"media": ["voice"]},
        {"media": None},
        {"brand": None},
        {"reason": "objection"},
        {"occurred_at": None},
        {"occurred_at": TUESDAY},
        {"recorded_by": "agent 8"},
        {"recorded_by": None},
        {"evidence": None},
        {"evidence": {"kind": "call_recording", "reference": "rec-2"}},
    ],
    ids=str,
)
async def test_the_same_reference_with_another_body_is_409(
    desk: httpx.AsyncClient, database: Database, change: dict[str, Any]
) -> None:
    await post(desk, "/v1/opt-outs", FULL)
    answer = await post(desk, "/v1/opt-outs", FULL | change)
    assert problem(answer) == {
        "type": "/problems/reference-reused",
        "title": "The reference belongs to another opt-out",
        "status": 409,
        "detail": "This reference belongs to another opt-out of the same channel.",
    }
    assert await count(database, "opt_outs") == 1


async def test_a_reference_sent_many_times_at_once_is_recorded_once(
    desk: httpx.AsyncClient, database: Database
) -> None:
    body = {"identifiers": [PHONE], "channel": "dakar", "reference": "r"}
    answers = await asyncio.gather(*(post(desk, "/v1/opt-outs", body) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert (replayed.count(None), replayed.count("true")) == (1, 11)
    assert await count(database, "grounds") == 1


@pytest.mark.parametrize("path", ["/v1/opt-outs", "/v1/reinstatements", "/v1/erasures"])
async def test_an_idempotency_key_makes_each_act_happen_once(
    desk: httpx.AsyncClient, database: Database, path: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "/v1/opt-outs": {"identifiers": [PHONE], "channel": "dakar"},
        "/v1/reinstatements": {
            "identifier": PHONE,
            "channel": "dakar",
            "occurred_at": MONDAY,
            "evidence": LETTER,
        },
        "/v1/erasures": {"identifiers": [PHONE]},
    }
    first = await post(desk, path, bodies[path], Idempotency_Key="k")
    again = await post(desk, path, bodies[path], Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers.get("location") == first.headers.get("location")
    table = path.removeprefix("/v1/").replace("-", "_")
    assert await count(database, table) == 1
    other = await post(desk, path, bodies[path] | {"region": "FR"}, Idempotency_Key="k")
    assert other.status_code == 422


async def test_an_idempotency_key_holds_for_a_void_too(desk: httpx.AsyncClient) -> None:
    path = f"/v1/opt-outs/{(await objected(desk))['id']}/void"
    first = await post(desk, path, {"reason": "x"}, Idempotency_Key="k")
    again = await post(desk, path, {"reason": "x"}, Idempotency_Key="k")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.json()["position"] == 2
    other = await post(desk, path, {"reason": "y"}, Idempotency_Key="k")
    assert problem(other)["type"] == "/problems/idempotency-key-reused"
