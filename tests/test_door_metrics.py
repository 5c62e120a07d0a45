"""What Prometheus hears of doors: what each let in, turned away, recorded; no contact point."""

from datetime import timedelta

import httpx
from sqlalchemy import text

from app.intake.inbound_doors import note_request
from app.platform.clock import now
from app.platform.db import Database
from tests.doors import MAILER, open_door, taken
from tests.signers import Basic
from tests.test_metrics import scraped, value


async def test_each_door_tells_what_it_received_recorded_and_refused(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database
) -> None:
    path = await open_door(admin, "mailjet", secret=Basic.secret)
    await open_door(admin, "brevo", slug="old", secret=Basic.secret)
    await open_door(admin, "sendgrid", slug="closed", secret=None)
    at = int(now().timestamp())
    unsub = {"event": "unsub", "email": "jo@example.com", "time": at}
    signed = Basic().sign([unsub, {"event": "open"}, {"event": "spam", "email": "?", "time": at}])
    for _ in range(2):
        await taken(await client.post(path, content=signed.body, headers=signed.headers))
    for _ in range(5):
        assert (await client.post(path, content=signed.body)).status_code == 401
    long_ago = now() - timedelta(days=30)
    async with database.transaction() as session:
        old = await session.scalar(text("SELECT id FROM channels WHERE slug = 'old'"))
        for hour in range(12):
            await note_request(session, old, long_ago + timedelta(hours=hour))
    async with scraped(database.settings) as scrape:
        found = await scrape()

    def told(name: str, channel: str = MAILER, **labels: str) -> float | None:
        dialect = {MAILER: "mailjet", "old": "brevo"}.get(channel, "sendgrid")
        return value(found, f"optout_door_{name}", channel=channel, dialect=dialect, **labels)

    assert told("requests_total") == 2
    assert told("refused_total", reason="no-signature") == 5
    assert {
        (outcome, reason): told("events_total", outcome=outcome, reason=reason)
        for outcome, reason in (
            ("recorded", ""),
            ("refused", "unusable-identifier"),
            ("dropped", ""),
            ("duplicate", ""),
        )
    } == {
        ("recorded", ""): 1,
        ("refused", "unusable-identifier"): 1,
        ("dropped", ""): 2,
        ("duplicate", ""): 2,
    }
    assert (told("silent"), told("refusing")) == (0, 1)
    assert (told("silent", "old"), told("refusing", "old")) == (1, 0)
    assert told("silent", "closed") is None
