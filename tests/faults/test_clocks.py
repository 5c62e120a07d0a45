"""A receiver's clock that is off, and a secret rotated under it: named, and told by a ping."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.delivery.answers import clock_fault
from app.platform.clock import now
from app.platform.db import Database
from tests.receivers import Told, hasty, receiver, register, saying, until, working

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def dated(status: int, seconds: float) -> bytes:
    """Answer with a clock that is so many seconds off."""
    date = format_datetime(now() + timedelta(seconds=seconds), usegmt=True)
    return saying(status, headers={"Date": date})


@pytest.mark.parametrize(
    ("date", "fault"),
    [
        ("Sun, 22 Nov 2026 10:00:59 GMT", None),
        ("Sun, 22 Nov 2026 09:54:59 GMT", "its clock is 301 s behind"),
        ("Sun, 22 Nov 2026 11:00:00 GMT", "its clock is 3600 s ahead"),
        ("Sun, 22 Nov 2026 09:54:59 -0000", None),
        ("yesterday", None),
        ("Sun, 22 Nov 99999999999 09:54:59 GMT", None),
        ("", None),
    ],
)
def test_a_clock_is_read_from_the_date_and_nonsense_says_nothing(
    date: str, fault: str | None
) -> None:
    assert clock_fault({"date": date} if date else {}, AT) == fault


async def test_a_receiver_whose_clock_is_301_s_off_is_told_so(
    admin: httpx.AsyncClient, database: Database
) -> None:
    async with receiver() as crm:
        issued = await register_on(admin, crm.url)

        async def late(told: Told) -> bytes:
            # As the official library does on a machine that is 301 s behind.
            stamp = int(told.headers["webhook-timestamp"]) + 301
            headers = told.headers | {"webhook-timestamp": str(stamp)}
            with pytest.raises(WebhookVerificationError):
                Webhook(issued).verify(told.body, headers)
            return dated(400, -301)

        crm.otherwise = late
        async with working(database.settings):
            await object_once(admin)

            async def named() -> bool:
                shown = (await admin.get("/v1/databases/crm")).json()["last_error"] or ""
                return "its clock is 30" in shown

            await until(named)
        ping = (await admin.post("/v1/databases/crm/ping")).json()
        assert ping["delivered"] is False
        assert ping["detail"].startswith("the database answered 400; its clock is 30")


async def test_a_ping_after_a_rotation_tells_whether_the_new_secret_is_known(
    admin: httpx.AsyncClient,
) -> None:
    async with receiver() as crm:
        old = await register_on(admin, crm.url)
        knows = [old]

        async def verify(told: Told) -> bytes:
            try:
                Webhook(knows[-1]).verify(told.body, told.headers)
            except WebhookVerificationError:
                return saying(401)
            return saying(200)

        crm.otherwise = verify
        assert (await admin.post("/v1/databases/crm/ping")).json()["detail"] is None
        rotated = (await admin.post("/v1/databases/crm/rotate-secret")).json()
        unknown = (await admin.post("/v1/databases/crm/ping")).json()
        assert (unknown["delivered"], unknown["status"]) == (False, 401)
        assert unknown["detail"] == (
            "the database answered 401; the ping was signed by the new secret alone; "
            "deliveries carry the old one too"
        )
        knows.append(rotated["signing_secret"])
        confirmed = (await admin.post("/v1/databases/crm/ping")).json()
        assert confirmed["delivered"] is True
        assert confirmed["detail"] == "it takes the new signing secret"


@pytest.fixture
async def database(database: Database) -> Database:
    """Allow loopback."""
    return replace(database, settings=hasty(database.settings))


async def register_on(admin: httpx.AsyncClient, url: str) -> str:
    """Register a database on loopback: its signing secret."""
    return str((await register(admin, url))["signing_secret"])


async def object_once(admin: httpx.AsyncClient) -> None:
    """Record one opt-out."""
    channel = {"slug": "c", "name": "C", "kind": "other", "party": "p"}
    assert (await admin.post("/v1/channels", json=channel)).status_code == 201
    body = {"identifiers": [{"kind": "phone", "value": "+33639980001"}], "channel": "c"}
    assert (await admin.post("/v1/opt-outs", json=body)).status_code == 201
