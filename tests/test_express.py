"""The express lane: live entries come early while a backlog drains, and never otherwise."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.identifiers import Identifier
from app.journal import Kind
from app.settings import Settings
from tests.acts import Registry, phone
from tests.backlogs import Gate, import_in_bulk
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
from tests.test_delivery import without_times_and_ids

BACKLOG = 5_000


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    patient = {"delivery_deadline_seconds": 15.0, "delivery_lease_seconds": 45.0}
    return hasty(settings).model_copy(update=patient)


async def propagation(admin: httpx.AsyncClient, opt_out: object) -> dict[str, Any]:
    answer = await admin.get(f"/v1/opt-outs/{opt_out}/propagation")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def on_express(says: Says) -> Says:
    """Answer so on the express lane, and let the main lane wait."""
    gate = Gate()

    async def answer(told: Told) -> bytes:
        if told.lane == "main":
            return await gate(told)
        return says if isinstance(says, bytes) else await says(told)

    return answer


async def test_a_live_entry_comes_early_and_again_in_its_place(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    gate = Gate()
    async with working(registry.database.settings), receiver(otherwise=gate) as crm:
        await register(admin, crm.url, media=["sms", "voice"])
        await import_in_bulk(registry, BACKLOG)
        await crm.heard(1)
        receipt = await registry.object(phone(1))
        (early,) = await crm.heard_early(1)
        gate.open()
        await import_in_bulk(registry, 10, version=BACKLOG)
        await acknowledged(admin, BACKLOG + 11)
        assert len(crm.early) == 1
    document = without_times_and_ids(early.document)
    del document["data"]["entries"][0]["occurred_at"]
    assert document == {
        "type": "suppressions.changed",
        "data": {
            "lane": "express",
            "to": receipt.position,
            "head": receipt.position,
            "entries": [
                {
                    "position": receipt.position,
                    "type": "suppression.added",
                    "lane": "live",
                    "identifier": {"kind": "phone", "format": "plain", "value": "+33639980001"},
                    "brand": None,
                    "media": ["voice", "sms"],
                    "version": 1,
                    "reason": "objection",
                }
            ],
        },
    }
    assert without_gap(crm.told)
    positions = [position for one in crm.main for position in one.positions]
    assert positions == list(range(1, BACKLOG + 12))
    again = next(e for one in crm.main for e in one.data["entries"] if e["lane"] == "live")
    assert again == early.data["entries"][0]


async def test_an_entry_counts_as_acknowledged_when_either_lane_was(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    done = {"outcome": "applied", "contacts_cancelled": 2}
    gate = Gate()

    async def answer(told: Told) -> bytes:
        if told.lane == "main":
            return await gate(told)
        return saying(200, {"outcomes": [{"position": p, **done} for p in told.positions]})

    async with working(registry.database.settings), receiver(otherwise=answer) as crm:
        await register(admin, crm.url)
        await import_in_bulk(registry, BACKLOG)
        await crm.heard(1)
        receipt = await registry.object(phone(1))

        async def silent() -> bool:
            told = await propagation(admin, receipt.opt_out.id)
            return told["time_to_silence_seconds"] is not None

        await until(silent)
        early = await propagation(admin, receipt.opt_out.id)
        (hop,) = early["databases"]
        assert (hop["status"], hop["outcome"]) == ("acknowledged", "applied")
        stands = await standing(admin)
        assert (stands["acknowledged_position"], stands["state"]) == (0, "active")
        gate.open()
        await acknowledged(admin, BACKLOG + 1)
        assert await propagation(admin, receipt.opt_out.id) == early
        await admin.post("/v1/databases/crm/replay", json={"from_position": BACKLOG})
        await acknowledged(admin, BACKLOG + 1)
        assert await propagation(admin, receipt.opt_out.id) == early
        assert len(crm.early) == 1


async def test_an_erasure_is_complete_when_the_express_lane_has_told_it(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with working(registry.database.settings), receiver(otherwise=Gate()) as crm:
        await register(admin, crm.url)
        await import_in_bulk(registry, BACKLOG)
        await crm.heard(1)
        await registry.object(phone(1))
        erasure = await registry.erase(phone(1))

        async def complete() -> bool:
            answer = await admin.get(f"/v1/erasures/{erasure}")
            return answer.json()["completed_at"] is not None

        await until(complete)
        told = [entry for one in crm.early for entry in one.data["entries"]]
        assert [entry["type"] for entry in told] == ["suppression.added", "identifier.erased"]
        assert told[1]["identifier"]["value"] == "+33639980001"


async def test_nothing_comes_early_while_the_main_lane_keeps_up(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with working(registry.database.settings), receiver() as crm:
        await register(admin, crm.url)
        for number in range(300):
            await registry.object(phone(number))
        for number in range(300, 340):
            await registry.object(phone(number))
        await import_in_bulk(registry, 50)
        for number in range(340, 350):
            await registry.object(phone(number))
        await acknowledged(admin, 400)
        assert crm.early == []
        assert sum(len(one.positions) for one in crm.main) == 400


async def test_a_backlog_of_live_entries_alone_is_not_told_twice(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await import_in_bulk(registry, 4_000)
    async with registry.database.transaction() as session:
        await session.execute(text("UPDATE journal_entries SET lane = 1"))

    async def slowly(_told: Told) -> bytes:
        await asyncio.sleep(0.1)
        return OK

    async with working(registry.database.settings), receiver(otherwise=slowly) as crm:
        await register(admin, crm.url)
        async with registry.database.transaction() as session:
            await session.execute(text("UPDATE express_lanes SET told = 0"))
        await acknowledged(admin, 4_000)
        assert crm.early == []


async def test_what_stood_there_at_the_registration_is_left_to_the_main_lane(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    await import_in_bulk(registry, BACKLOG)
    await registry.object(phone(2))
    async with working(registry.database.settings), receiver(otherwise=Gate()) as crm:
        await register(admin, crm.url)
        receipt = await registry.object(phone(3))
        (early,) = await crm.heard_early(1)
        await never(lambda: len(crm.early) > 1, seconds=0.5)
        assert early.positions == [receipt.position]


async def test_the_express_lane_tells_what_concerns_the_database_in_its_form(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    hashed = {"identifier_format": "sha256", "accept_weak": True}
    async with working(registry.database.settings), receiver(otherwise=Gate()) as crm:
        await register(admin, crm.url, kinds=["phone"], media=["sms"], delivery=hashed)
        await import_in_bulk(registry, BACKLOG)
        await crm.heard(1)
        await registry.object(Identifier(Kind.EMAIL, "jane@example.com"))
        receipt = await registry.object(phone(1))
        (early,) = await crm.heard_early(1)
    assert early.positions == [receipt.position]
    (entry,) = early.data["entries"]
    assert (entry["identifier"]["format"], entry["media"]) == ("sha256", ["sms"])
    assert b"639980001" not in early.body


@pytest.mark.parametrize(
    "answer",
    [
        saying(500),
        saying(301, None, {"Location": "http://127.0.0.1:1/"}),
        saying(409, {"expected_position": 1}),
        saying(410),
        saying(413),
        saying(429, None, {"Retry-After": "3600"}),
        b"",
    ],
    ids=["500", "301", "409", "410", "413", "429", "reset"],
)
async def test_only_2xx_counts_on_it_and_the_main_lane_is_left_alone(
    admin: httpx.AsyncClient, registry: Registry, answer: bytes
) -> None:
    async with working(registry.database.settings), receiver(otherwise=on_express(answer)) as crm:
        await register(admin, crm.url)
        await import_in_bulk(registry, BACKLOG)
        await crm.heard(1)
        receipt = await registry.object(phone(1))

        async def tried() -> bool:
            return any(one["lane"] == "express" for one in await attempts(admin))

        await until(tried)
        stands = await standing(admin)
        assert (stands["state"], stands["last_error"]) == ("active", None)
        told = await propagation(admin, receipt.opt_out.id)
        assert told["databases"][0]["status"] == "pending"
        crm.otherwise = OK
        async with registry.database.transaction() as session:
            await session.execute(text("UPDATE express_lanes SET due_at = now()"))
        await crm.heard_early(2)
        assert len(crm.main) == 1
        first = next(one for one in await attempts(admin) if one["lane"] == "express")
        assert first["error"] is not None
        assert first["previous"] is None
        ids = [one.headers["webhook-id"] for one in crm.early]
        assert ids[0] == ids[1] != crm.main[0].headers["webhook-id"]


async def test_a_pause_stops_the_express_lane_too(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    gate = Gate()
    async with working(registry.database.settings), receiver(otherwise=gate) as crm:
        await register(admin, crm.url)
        await import_in_bulk(registry, BACKLOG)
        await registry.object(phone(1))
        await crm.heard_early(1)
        gate.open()
        assert (await admin.post("/v1/databases/crm/pause")).json()["state"] == "paused"
        heard = len(crm.told)
        await import_in_bulk(registry, BACKLOG, version=BACKLOG)
        await registry.object(phone(2))
        await never(lambda: len(crm.told) > heard, seconds=0.7)
        crm.otherwise = Gate()
        await admin.post("/v1/databases/crm/resume")
        (_, second) = await crm.heard_early(2)
        assert second.positions[-1] == 2 * BACKLOG + 2


async def test_after_a_change_of_registration_what_was_not_heard_comes_early(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with (
        working(registry.database.settings),
        receiver(otherwise=Gate()) as old,
        receiver(otherwise=Gate()) as new,
    ):
        await register(admin, old.url)
        await import_in_bulk(registry, BACKLOG)
        await old.heard(1)
        heard = await registry.object(phone(1))
        await old.heard_early(1)

        async def settled() -> bool:
            told = await propagation(admin, heard.opt_out.id)
            return bool(told["databases"][0]["status"] == "acknowledged")

        await until(settled)
        old.otherwise = saying(500)
        unheard = await registry.object(phone(2))
        await old.heard_early(2)
        delivery = {"mode": "webhook", "url": new.url, "zone": "internal"}
        await admin.patch("/v1/databases/crm", json={"delivery": delivery})
        (early,) = await new.heard_early(1)
        assert early.positions == [unheard.position]
        told = await propagation(admin, heard.opt_out.id)
        assert told["databases"][0]["status"] == "acknowledged"


async def test_each_lane_has_one_request_under_way_whoever_works(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async def unhurried(told: Told) -> bytes:
        await asyncio.sleep(0.4 if told.lane == "main" else 0.05)
        return OK

    async with (
        working(registry.database.settings, workers=3),
        receiver(otherwise=unhurried) as crm,
    ):
        await register(admin, crm.url)
        await import_in_bulk(registry, BACKLOG)
        for number in range(1, 21):
            await registry.object(phone(number))
            if number % 7 == 0:
                await admin.post("/v1/databases/crm/rotate-secret")
            await asyncio.sleep(0.05)
        await acknowledged(admin, BACKLOG + 20)
        assert crm.most_under_way == 1
        early = [position for one in crm.early for position in one.positions]
        # What a rotation interrupts is told again.
        assert list(dict.fromkeys(early)) == sorted(set(early))
        assert len(crm.early) > 1
        reached = 0
        for previous, to in spans(crm.told):
            # Of a backlog two batches may be told again, but none is left out.
            assert previous <= reached
            reached = max(reached, to)
