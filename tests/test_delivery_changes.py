"""Databases that are paused, replayed, redirected or deleted while they are being told."""

import asyncio
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import URL
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.settings import Settings
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.peers import OK
from tests.receivers import (
    Receiver,
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
    without_gap,
    working,
)
from tests.restores import backed_up
from tests.test_parties import acts


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def slow(_told: Told) -> bytes:
    """Answer well, after a while."""
    await asyncio.sleep(0.5)
    return OK


def more_than(requests: int, receiver: Receiver) -> bool:
    """Tell whether a receiver was sent more since."""
    return len(receiver.told) > requests


def verifies(told: Told, secret: str) -> bool:
    """Tell whether a receiver that knows this secret takes the request."""
    try:
        Webhook(secret).verify(told.body, told.headers)
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize("moment", ["while it is sent something", "while there is nothing to send"])
async def test_after_the_answer_of_pause_nothing_is_sent_and_nothing_is_lost(
    admin: httpx.AsyncClient, registry: Registry, moment: str
) -> None:
    async with receiver(otherwise=slow) as crm:
        await register(admin, crm.url)
        # A lease that is not renewed for long, when it would be found out anyway.
        lasting = registry.database.settings.model_copy(update={"delivery_lease_seconds": 60.0})
        async with working(lasting, workers=2):
            await registry.object(phone(1))
            await crm.heard(1)
            if moment == "while there is nothing to send":
                await acknowledged(admin, 1)
            paused = await admin.post("/v1/databases/crm/pause")
            assert crm.under_way.total() == 0
            assert (paused.status_code, paused.json()["state"]) == (200, "paused")
            await registry.object(phone(2))
            await never(partial(more_than, 1, crm), seconds=0.8)
            resumed = await admin.post("/v1/databases/crm/resume")
            assert resumed.json()["state"] == "active"
            await acknowledged(admin, 2)
        assert crm.most_under_way == 1
        assert crm.told[-1].positions[-1] == 2
        assert without_gap(crm.told)
    assert [one["action"] for one in (await acts(admin))[:2]] == [
        "database.resumed",
        "database.paused",
    ]


async def test_a_backlog_stops_at_the_answer_of_pause(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(*(phone(number) for number in range(300)))
    async with receiver() as crm:
        await register(admin, crm.url)
        async with registry.database.transaction() as session:
            await session.execute(text("UPDATE followers SET batch_limit = 1"))
        async with working(registry.database.settings):
            for _ in range(8):
                await crm.heard(len(crm.told) + 1)
                await admin.post("/v1/databases/crm/pause")
                sent = len(crm.told)
                await never(partial(more_than, sent, crm), seconds=0.2)
                async with registry.database.transaction() as session:
                    await session.execute(text("UPDATE followers SET batch_limit = 1"))
                await admin.post("/v1/databases/crm/resume")
            await acknowledged(admin, 300)
        heard = {position for one in crm.told for position in one.positions}
        assert heard == set(range(1, 301))


async def test_a_new_secret_signs_at_once_and_the_old_one_beside_it_for_a_day(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm:
        old = (await register(admin, crm.url))["signing_secret"]
        async with working(registry.database.settings):
            await registry.object(phone(1))
            await acknowledged(admin, 1)
            answer = await admin.post("/v1/databases/crm/rotate-secret")
            new = answer.json()["signing_secret"]
            await registry.object(phone(2))
            await acknowledged(admin, 2)
            async with registry.database.transaction() as session:
                await session.execute(
                    text("UPDATE endpoints SET retiring_until = now() + interval '1 second'")
                )
                await session.execute(text("UPDATE followers SET fence = fence + 1"))
            await asyncio.sleep(1.2)
            await registry.object(phone(3))
            await acknowledged(admin, 3)
        told = crm.told
    assert [[verifies(one, secret) for secret in (old, new)] for one in told] == [
        [True, False],
        [True, True],
        [False, True],
    ]


async def test_a_secret_stops_to_sign_at_its_end_under_a_lease_that_goes_on(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm:
        old = (await register(admin, crm.url))["signing_secret"]
        await admin.post("/v1/databases/crm/rotate-secret")
        async with registry.database.transaction() as session:
            await session.execute(
                text("UPDATE endpoints SET retiring_until = now() + interval '2 seconds'")
            )
        async with working(registry.database.settings):
            await registry.object(phone(1))
            await acknowledged(admin, 1)
            await asyncio.sleep(2)
            await registry.object(phone(2))
            await acknowledged(admin, 2)
        assert [verifies(one, old) for one in crm.told] == [True, False]


async def test_a_replay_has_new_ids_and_leaves_the_proofs_alone(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm, working(registry.database.settings):
        await register(admin, crm.url)
        receipt = await registry.object(phone(1))
        await acknowledged(admin, 1)
        path = f"/v1/opt-outs/{receipt.opt_out.id}/propagation"
        proof = (await admin.get(path)).json()
        for times in (2, 3):
            answer = await admin.post("/v1/databases/crm/replay", json={"from_position": 1})
            assert answer.json()["acknowledged_position"] == 0
            assert (await admin.get(path)).json() == proof
            await crm.heard(times)
            await acknowledged(admin, 1)
        assert (await admin.get(path)).json() == proof
        assert spans(crm.told) == [(0, 1)] * 3
        assert len({one.headers["webhook-id"] for one in crm.told}) == 3


async def test_what_was_written_anew_after_a_restore_is_sent_under_another_id(
    app: FastAPI, admin: httpx.AsyncClient, registry: Registry, postgres: URL
) -> None:
    async with receiver() as crm:
        await register(admin, crm.url)
        async with backed_up(postgres, registry.database, app.state.database) as restore:
            await registry.object(phone(1))
            async with working(registry.database.settings):
                await acknowledged(admin, 1)
            await restore()
            await registry.object(phone(2))
            async with working(registry.database.settings):
                await acknowledged(admin, 1)
        assert spans(crm.told) == [(0, 1), (0, 1)]
        assert len({one.headers["webhook-id"] for one in crm.told}) == 2


async def test_a_change_of_what_is_told_starts_again_from_the_beginning(
    admin: httpx.AsyncClient, registry: Registry, caller: Caller
) -> None:
    async with receiver() as old, receiver() as new, working(registry.database.settings):
        await register(admin, old.url, media=["sms"])
        receipt = await registry.object(phone(1))
        await acknowledged(admin, 1)
        change: dict[str, Any] = {
            "media": ["sms", "voice"],
            "delivery": {"mode": "webhook", "url": new.url, "zone": "internal"},
        }
        refused = await (await caller("parties:write")).patch("/v1/databases/crm", json=change)
        assert refused.status_code == 403
        answer = await admin.patch("/v1/databases/crm", json=change)
        assert (answer.json()["signing_secret"], answer.json()["identifier_key"]) == (None, None)
        (told,) = await new.heard(1)
        await acknowledged(admin, 1)
        assert len(old.told) == 1
        assert told.data["entries"][0]["media"] == ["voice", "sms"]
        assert told.span == (0, 1)
    proof = await admin.get(f"/v1/opt-outs/{receipt.opt_out.id}/propagation")
    assert proof.json()["databases"][0]["status"] == "acknowledged"


async def test_the_last_word_of_an_old_address_changes_nothing_at_the_new_one(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async def gone_late(_told: Told) -> bytes:
        await asyncio.sleep(0.4)
        return saying(410)

    async with receiver(gone_late) as old, receiver() as new, working(registry.database.settings):
        await register(admin, old.url)
        await registry.object(phone(1))
        await old.heard(1)
        delivery = {"mode": "webhook", "url": new.url, "zone": "internal"}
        await admin.patch("/v1/databases/crm", json={"delivery": delivery})
        await acknowledged(admin, 1)
        now_standing = await standing(admin)
    assert (now_standing["state"], now_standing["last_error"]) == ("active", None)
    assert {one["error"] for one in await attempts(admin)} == {"gone", None}


async def test_a_deleted_database_is_told_nothing_and_is_nobody_any_more(
    admin: httpx.AsyncClient, registry: Registry, caller: Caller
) -> None:
    bound = None
    async with receiver() as crm, working(registry.database.settings):
        await register(admin, crm.url)
        bound = await caller("journal:read", bound_to="crm")
        await registry.object(phone(1))
        await acknowledged(admin, 1)
        assert (await admin.delete("/v1/databases/crm")).status_code == 204
        await registry.object(phone(2))
        await never(lambda: len(crm.told) > 1, seconds=0.7)
    assert (await admin.get("/v1/databases/crm")).status_code == 404
    await asyncio.sleep(1)
    assert (await bound.get("/v1/journal")).status_code == 401
    async with registry.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM endpoints")) == 0
    again = await register(admin)
    assert again["acknowledged_position"] == 0


async def test_a_database_is_sent_one_request_at_a_time_whoever_works_and_whatever_is_changed(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async def unhurried(_told: Told) -> bytes:
        await asyncio.sleep(0.15)
        return OK

    async with receiver(otherwise=unhurried) as crm, receiver(otherwise=unhurried) as mailer:
        await register(admin, crm.url)
        await register(admin, mailer.url, "mailer")
        async with working(registry.database.settings, workers=3):
            acts_upon = ["rotate-secret", "replay", "pause", "resume"] * 4
            for number, act in enumerate(acts_upon, start=1):
                await registry.object(phone(number))
                await crm.heard(len(crm.told) + (act != "resume"))
                body = {"from_position": number} if act == "replay" else None
                answer = await admin.post(f"/v1/databases/crm/{act}", json=body)
                assert answer.status_code == 200, answer.text
            await acknowledged(admin, len(acts_upon))
            await acknowledged(admin, len(acts_upon), "mailer")
        assert (crm.most_under_way, mailer.most_under_way) == (1, 1)
        for told in (crm.told, mailer.told):
            heard = {position for one in told for position in one.positions}
            assert heard == set(range(1, len(acts_upon) + 1))
        assert all(later.span[0] == earlier.span[1] for earlier, later in pairwise(mailer.told))
