"""An entry that a database refuses: found by halves, then blocking or parked, never in silence."""

from collections.abc import Collection
from datetime import timedelta
from math import ceil, log2
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.delivery import poison
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.backlogs import import_in_bulk
from tests.conftest import Caller
from tests.peers import OK
from tests.receivers import (
    Receiver,
    Says,
    Told,
    acknowledged,
    attempts,
    hasty,
    receiver,
    register,
    saying,
    standing,
    until,
    without_gap,
    working,
)
from tests.test_express import propagation


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    patient = {"delivery_deadline_seconds": 15.0, "delivery_lease_seconds": 45.0}
    return hasty(settings).model_copy(update=patient)


def refusing(poisoned: Collection[int], status: int = 422) -> Says:
    """Refuse whatever holds one of some entries; a ping holds none."""

    async def answer(told: Told) -> bytes:
        held = told.lane != "none" and set(poisoned) & set(told.positions)
        return saying(status, {"sorry": sorted(held)}) if held else OK

    return answer


async def make_due(database: Database) -> None:
    """Let every wait be over."""
    async with database.transaction() as session:
        for table in ("followers", "express_lanes", "parked_entries"):
            await session.execute(text(f"UPDATE {table} SET due_at = now()"))  # noqa: S608 - names


async def about_to_be_suspected(database: Database) -> None:
    """Pretend that the last two requests failed."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE followers SET failures = 2"))


async def parked(admin: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await admin.get("/v1/databases/crm/parked")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def last_error(admin: httpx.AsyncClient, beginning: str) -> dict[str, Any]:
    """Wait until a database shows an error that begins so."""

    async def shown() -> bool:
        return str((await standing(admin))["last_error"]).startswith(beginning)

    await until(shown)
    return await standing(admin)


def pings(crm: Receiver) -> int:
    return sum(one.lane == "none" for one in crm.told)


async def test_the_poison_is_found_by_halves_and_blocks(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(1, 5):
        await registry.object(phone(number))
    await import_in_bulk(registry, 496)
    async with receiver(otherwise=refusing({300})) as crm:
        await register(admin, crm.url)
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):
            stands = await last_error(admin, "poison: ")
    assert stands["last_error"] == (
        "poison: the database refuses the entry at position 300 by itself, with 422, while it "
        "takes a ping; the others wait"
    )
    assert (stands["state"], stands["acknowledged_position"]) == ("failing", 299)
    assert (stands["on_poison"], stands["parked_entries"]) == ("block", 0)
    assert await parked(admin) == []
    assert crm.main[-1].positions == [300]
    assert len(crm.main) <= ceil(log2(500)) + 2
    assert pings(crm) == 1
    assert without_gap(crm.told)
    assert {one["error"] for one in await attempts(admin)} == {None, "status-422", "poison"}


async def test_a_batch_refused_once_or_twice_is_only_tried_again(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(1, 5):
        await registry.object(phone(number))
    async with receiver(saying(422), saying(422)) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            await crm.heard(1)
            await last_error(admin, "status-422")
            await make_due(registry.database)
            await acknowledged(admin, 4)
    assert [one.positions for one in crm.main] == [[1, 2, 3, 4]] * 3
    assert pings(crm) == 0


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500])
async def test_what_does_not_blame_an_entry_is_not_hunted(
    admin: httpx.AsyncClient, registry: Registry, status: int
) -> None:
    for number in range(1, 5):
        await registry.object(phone(number))
    async with receiver(otherwise=refusing({2}, status)) as crm:
        await register(admin, crm.url, on_poison="park")
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):
            await last_error(admin, f"status-{status}")
        assert [one.positions for one in crm.main] == [[1, 2, 3, 4]]
        assert pings(crm) == 0


async def test_a_database_that_refuses_a_ping_too_is_not_hunted(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(1, 5):
        await registry.object(phone(number))
    async with receiver(otherwise=saying(400)) as crm:
        await register(admin, crm.url, on_poison="park")
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):
            stands = await last_error(admin, "status-400")
        assert (len(crm.main), pings(crm)) == (1, 1)
    assert (stands["parked_entries"], stands["acknowledged_position"]) == (0, 0)


async def test_parked_entries_are_listed_not_acknowledged_and_taken_in_the_end(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=refusing({2, 5})) as crm:
        issued = await register(admin, crm.url, on_poison="park")
        assert (issued["on_poison"], issued["parked_entries"]) == ("park", 0)
        receipts = [await registry.object(phone(number)) for number in range(1, 9)]
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):

            async def all_else_told() -> bool:
                await make_due(registry.database)
                return bool((await standing(admin))["acknowledged_position"] == 8)

            await until(all_else_told)
            stands = await standing(admin)
            assert (stands["state"], stands["parked_entries"]) == ("active", 2)
            listed = await parked(admin)
            assert [one["position"] for one in listed] == [2, 5]
            first = listed[0]
            assert first["tries"] >= 1
            assert first["parked_at"] >= first["recorded_at"]
            assert (first["type"], first["lane"]) == ("suppression.added", "live")
            assert first["error"] == "status-422"
            assert first.keys() == {
                "position", "type", "lane", "recorded_at", "parked_at", "tries", "next_try_at",
                "error",
            }  # fmt: skip
            statuses = [
                (await propagation(admin, one.opt_out.id))["databases"][0]["status"]
                for one in receipts
            ]
            assert statuses == [
                "failing" if number in (2, 5) else "acknowledged" for number in range(1, 9)
            ]
            crm.otherwise = OK
            await make_due(registry.database)

            async def none_left() -> bool:
                return await parked(admin) == []

            await until(none_left)
        told = await propagation(admin, receipts[1].opt_out.id)
        assert told["databases"][0]["status"] == "acknowledged"
        assert told["time_to_silence_seconds"] is not None
        assert {p for one in crm.early for p in one.positions} == {2, 5}
        assert all(len(one.positions) == 1 for one in crm.early)
        assert without_gap(crm.told)


async def test_a_replay_brings_parked_entries_in_their_place(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=refusing({2})) as crm:
        await register(admin, crm.url, on_poison="park")
        receipts = [await registry.object(phone(number)) for number in range(1, 4)]
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):
            await acknowledged(admin, 3)
            assert [one["position"] for one in await parked(admin)] == [2]
            crm.otherwise = OK
            await admin.post("/v1/databases/crm/replay", json={"from_position": 1})
            await crm.heard_to(3)
            await acknowledged(admin, 3)

            async def taken() -> bool:
                return await parked(admin) == []

            await until(taken)
        assert [one.positions for one in crm.main][-1] == [1, 2, 3]
    for one in receipts:
        told = await propagation(admin, one.opt_out.id)
        assert told["databases"][0]["status"] == "acknowledged"


async def test_an_erasure_waits_for_what_is_parked(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=refusing({2})) as crm:
        await register(admin, crm.url, on_poison="park")
        await registry.object(phone(1))
        erasure = await registry.erase(phone(1))
        await registry.object(phone(2))
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):
            await acknowledged(admin, 3)
        assert not await registry.destroy(erasure, waiting=timedelta(days=30))
        crm.otherwise = OK
        await make_due(registry.database)
        async with working(registry.database.settings):

            async def complete() -> bool:
                answer = await admin.get(f"/v1/erasures/{erasure}")
                return answer.json()["completed_at"] is not None

            await until(complete)


async def test_a_database_that_refuses_too_much_blocks(
    admin: httpx.AsyncClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "MOST_PARKED", 2)
    for number in range(1, 7):
        await registry.object(phone(number))
    async with receiver(otherwise=refusing(range(1, 9))) as crm:
        await register(admin, crm.url, on_poison="park")
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):

            async def blocked() -> bool:
                await make_due(registry.database)
                return str((await standing(admin))["last_error"]).startswith("poison: ")

            await until(blocked)
        stands = await standing(admin)
    assert (stands["state"], stands["parked_entries"]) == ("failing", 2)
    assert stands["acknowledged_position"] == 2


async def test_the_policy_is_changed_without_starting_again(
    admin: httpx.AsyncClient, registry: Registry, caller: Caller
) -> None:
    writer = await caller("parties:write", "parties:read", "evidence:read")
    async with receiver(otherwise=refusing({2})) as crm:
        await register(admin, crm.url)
        for number in range(1, 4):
            await registry.object(phone(number))
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):
            await last_error(admin, "poison: ")
            answer = await writer.patch("/v1/databases/crm", json={"on_poison": "park"})
            assert (answer.status_code, answer.json()["on_poison"]) == (200, "park")
            assert answer.json()["acknowledged_position"] == 1
            await make_due(registry.database)
            await about_to_be_suspected(registry.database)
            await acknowledged(admin, 3)
        assert [one["position"] for one in await parked(writer)] == [2]
    refused = await writer.patch("/v1/databases/crm", json={"on_poison": "drop"})
    assert refused.status_code == 422
    refused = await writer.patch("/v1/databases/crm", json={"on_poison": None})
    assert refused.status_code == 422
    page = await writer.get("/v1/audit", params={"action": "database.poison-policy"})
    assert [one["detail"] for one in page.json()["items"]] == [{"on_poison": "park"}]


async def test_live_entries_pass_a_poison_that_blocks_the_main_lane(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=refusing({2, 5})) as crm:
        await register(admin, crm.url)
        receipts = [await registry.object(phone(number)) for number in range(1, 9)]
        await about_to_be_suspected(registry.database)
        async with working(registry.database.settings):

            async def told() -> bool:
                last = await propagation(admin, receipts[-1].opt_out.id)
                return bool(last["databases"][0]["status"] == "acknowledged")

            await until(told)
            statuses = [
                (await propagation(admin, one.opt_out.id))["databases"][0]["status"]
                for one in receipts
            ]
            assert statuses == [
                "failing" if number in (2, 5) else "acknowledged" for number in range(1, 9)
            ]
        assert (await standing(admin))["acknowledged_position"] == 1
        assert {position for one in crm.early for position in one.positions} >= {3, 4, 6, 7, 8}
