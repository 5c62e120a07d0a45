"""Databases over the wire: registered, refused, pinged; their secrets and their attempts."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook
from structlog.testing import capture_logs

from app.delivery import forget_attempts
from app.platform.clock import now
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.receivers import (
    acknowledged,
    attempts,
    hasty,
    receiver,
    register,
    saying,
    standing,
    until,
    working,
)
from tests.test_parties import problem, without_time


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


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
        "delivery": {"mode": "webhook", "recall_url": None, **hashed},
        "state": "active",
        "acknowledged_position": 0,
        "lag_entries": 0,
        "lag_seconds": 0.0,
        "last_error": None,
        "last_error_at": None,
        "on_poison": "block",
        "parked_entries": 0,
        "alarm": None,
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


async def test_a_first_hashed_format_brings_its_key_and_no_other_secret(
    admin: httpx.AsyncClient,
) -> None:
    await register(admin)
    hashed = {"delivery": {"mode": "pull", "identifier_format": "hmac-sha256"}}
    first, again = [(await admin.patch("/v1/databases/crm", json=hashed)).json() for _ in range(2)]
    assert (first["signing_secret"], len(first["identifier_key"])) == (None, 44)
    assert (again["signing_secret"], again["identifier_key"]) == (None, None)


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
