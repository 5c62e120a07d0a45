"""Databases over the wire: registered, pinged, paused, replayed, redirected, deleted."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import URL
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from app.delivery import forget_attempts
from app.platform.clock import now
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import (
    OK,
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
    working,
)
from tests.restores import backed_up
from tests.test_parties import acts, problem, without_time


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database)


async def slow(_told: Told) -> bytes:
    """Answer well, after a while."""
    await asyncio.sleep(0.5)
    return OK


def verifies(told: Told, secret: str) -> bool:
    """Tell whether a receiver that knows this secret takes the request."""
    try:
        Webhook(secret).verify(told.body, told.headers)
    except WebhookVerificationError:
        return False
    return True


async def test_a_database_is_registered_read_and_listed(admin: httpx.AsyncClient) -> None:
    url = "https://crm.example.com/hook"
    hashed = {"url": url, "zone": "public", "identifier_format": "hmac-sha256"}
    issued = await register(admin, url, delivery=hashed, media=["sms"], kinds=["phone", "email"])
    assert issued.pop("signing_secret").startswith("whsec_")
    assert len(issued.pop("identifier_key")) == 44
    assert without_time(issued) == {
        "slug": "crm",
        "name": "The CRM",
        "party": "p",
        "media": ["sms"],
        "brands": None,
        "kinds": ["phone", "email"],
        "delivery": {"mode": "webhook"} | hashed,
        "state": "active",
        "acknowledged_position": 0,
        "lag_entries": 0,
        "lag_seconds": 0.0,
        "last_error": None,
        "last_error_at": None,
    }
    listed = (await admin.get("/v1/databases")).json()
    assert listed == {"items": [await standing(admin)], "next_cursor": None}


async def test_secrets_are_shown_once_and_sealed_in_the_tables(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    hashed = {"mode": "pull", "identifier_format": "hmac-sha256"}
    body = {"slug": "b", "name": "B", "party": "p", "delivery": hashed}
    with capture_logs() as logs:
        first = await admin.post("/v1/databases", json=body, headers={"Idempotency-Key": "1"})
        again = await admin.post("/v1/databases", json=body, headers={"Idempotency-Key": "1"})
    secrets = {"signing_secret": None, "identifier_key": None}
    assert again.json() == first.json() | secrets
    shown = [first.json()[name] for name in secrets]
    async with database.reading() as session:
        rows = [
            (await session.execute(text(f"SELECT * FROM {table}"))).all()  # noqa: S608 - ours
            for table in ("endpoints", "idempotency_keys", "audit")
        ]
    kept = f"{rows} {logs}"
    assert not any(secret in kept or secret.removeprefix("whsec_") in kept for secret in shown)


@pytest.mark.parametrize(
    ("url", "zone"),
    [
        ("http://crm.example.com/", "public"),
        ("https://127.0.0.1/", "public"),
        ("https://10.0.0.7/", "public"),
        ("https://crm.example.com:9000/", "public"),
        ("https://169.254.169.254/", "internal"),
        ("http://10.0.0.7/", "internal"),
        ("https://user:secret@crm.example.com/", "public"),
    ],
)
async def test_a_forbidden_destination_is_refused_at_registration_and_change(
    admin: httpx.AsyncClient, url: str, zone: str
) -> None:
    await register(admin)
    delivery = {"mode": "webhook", "url": url, "zone": zone}
    body = {"slug": "b", "name": "B", "party": "p", "delivery": delivery}
    for answer in (
        await admin.post("/v1/databases", json=body),
        await admin.patch("/v1/databases/crm", json={"delivery": delivery}),
    ):
        assert (answer.status_code, problem(answer)["type"]) == (
            422,
            "/problems/forbidden-destination",
        )
        assert "secret" not in answer.text


async def test_a_ping_is_signed_and_tells_what_came_of_it(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with receiver(saying(204), saying(500, "no")) as crm:
        issued = await register(admin, crm.url)
        good, bad = [(await admin.post("/v1/databases/crm/ping")).json() for _ in range(2)]
        told = crm.told[0]
    gone = (await admin.post("/v1/databases/crm/ping")).json()
    assert Webhook(issued["signing_secret"]).verify(told.body, told.headers)["type"] == "ping"
    assert good.pop("duration_ms") >= 0
    assert good == {"delivered": True, "status": 204, "error": None, "detail": None}
    assert (bad["delivered"], bad["status"], bad["error"]) == (False, 500, "status-500")
    assert (gone["delivered"], gone["status"], gone["error"]) == (False, None, "connect")
    assert await attempts(admin) == []


async def test_a_ping_of_a_forbidden_destination_or_of_a_database_that_pulls_sends_nothing(
    admin: httpx.AsyncClient, database: Database
) -> None:
    async with receiver() as crm:
        await register(admin, crm.url)
        async with database.transaction() as session:
            await session.execute(text("UPDATE endpoints SET zone = 'public'"))
        forbidden = await admin.post("/v1/databases/crm/ping")
        assert crm.told == []
    await register(admin, slug="puller")
    pulls = await admin.post("/v1/databases/puller/ping")
    assert (forbidden.json()["delivered"], forbidden.json()["error"]) == (
        False,
        "forbidden-destination",
    )
    assert (pulls.json()["delivered"], pulls.json()["error"]) == (False, "pull")


async def test_after_the_answer_of_pause_nothing_is_sent_and_nothing_is_lost(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver(otherwise=slow) as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings, workers=2):
            await registry.object(phone(1))
            await crm.heard(1)
            paused = await admin.post("/v1/databases/crm/pause")
            assert crm.under_way == 0
            assert (paused.status_code, paused.json()["state"]) == (200, "paused")
            sent = len(crm.told)
            await registry.object(phone(2))
            await never(lambda: len(crm.told) > sent, seconds=0.8)
            resumed = await admin.post("/v1/databases/crm/resume")
            assert resumed.json()["state"] == "active"
            await acknowledged(admin, 2)
        assert crm.most_under_way == 1
        assert spans(crm.told) == [(0, 1), (0, 2)]
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
                await never(lambda n=sent: len(crm.told) > n, seconds=0.2)
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


async def test_a_first_hashed_format_brings_its_key_and_no_other_secret(
    admin: httpx.AsyncClient,
) -> None:
    await register(admin)
    hashed = {"delivery": {"mode": "pull", "identifier_format": "hmac-sha256"}}
    first, again = [(await admin.patch("/v1/databases/crm", json=hashed)).json() for _ in range(2)]
    assert (first["signing_secret"], len(first["identifier_key"])) == (None, 44)
    assert (again["signing_secret"], again["identifier_key"]) == (None, None)


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


async def test_attempts_are_forgotten_after_their_time(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm:
        await register(admin, crm.url)
        async with working(registry.database.settings):
            for number in (1, 2):
                await registry.object(phone(number))
                await acknowledged(admin, number)
        async with registry.database.transaction() as session:
            await session.execute(
                text("UPDATE attempts SET at = at - interval '31 days' WHERE upto = 1")
            )
        async with working(registry.database.settings):

            async def forgotten() -> bool:
                return len(await attempts(admin)) == 1

            await until(forgotten)
    assert [one["to"] for one in await attempts(admin)] == [2]
    async with registry.database.transaction() as session:
        assert await forget_attempts(session, before=now() - timedelta(days=30)) == 0


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
