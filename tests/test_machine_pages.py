"""The pages of the doors for machines, as an officer's browser shows them."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import httpx

from app.accounts import Role
from app.intake import waiting_complaints
from app.platform.clock import now
from app.platform.db import Database
from app.points import PointKeys
from tests.conftest import Caller
from tests.doors import SECRET, open_door
from tests.officers import browser_of
from tests.people import words_in
from tests.signers import Basic


async def test_a_door_tells_what_it_received_recorded_and_refused_and_why(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database, caller: Caller
) -> None:
    officer = await browser_of(caller, database, Role.OFFICER)
    assert "No provider speaks to any channel yet" in words_in(await officer.get("/doors"))
    path = await open_door(admin, "mailjet", brand="sauerkraut")
    await open_door(admin, "sendgrid", slug="closed", secret=None)
    at = int((now() - timedelta(hours=1)).timestamp())
    events = [
        {"event": "unsub", "email": "jo@example.com", "time": at},
        {"event": "unsub", "email": "nobody", "time": at},
        {"event": "open", "email": "jo@example.com", "time": at},
    ]
    signed = Basic().sign(events)
    answer = await client.post(path, content=signed.body, headers=signed.headers)
    assert answer.status_code == 200
    assert (await client.post(path, json=events)).status_code == 401
    listed = words_in(await officer.get("/doors"))
    assert listed.index("sendgrid") < listed.index("mailjet"), "who must be looked at comes first"
    for said in ("closed", "speaking", "The channel mailjet"):
        assert said in listed, said
    shown = words_in(await officer.get("/doors/mailer"))
    for said in (
        *("/v1/inbound/mailjet/mailer", "A secret is set. · brand: sauerkraut"),
        *("j•••@example.com unsubscribed Recorded", "The address cannot be used."),
        *("No objection", "whole request refused There is no signature."),
    ):
        assert said in shown, said
    assert SECRET not in shown
    assert "jo@example.com" not in shown
    refused = words_in(await officer.get("/doors/mailer?outcome=refused"))
    assert "j•••@example.com" not in refused
    assert (await officer.get("/doors/front-desk")).status_code == 404
    (act,) = (await admin.get("/v1/audit?action=inbound-events.listed")).json()["items"]
    assert act["subject"] == "channel:mailer"


async def test_a_report_of_spam_waits_for_no_answer(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database, caller: Caller
) -> None:
    officer = await browser_of(caller, database, Role.OFFICER)
    path = await open_door(admin, "mailjet")
    signed = Basic().sign([{"event": "spam", "email": "jo@example.com"}])
    await client.post(path, content=signed.body, headers=signed.headers)
    (opt_out,) = (await admin.get("/v1/opt-outs?reason=complaint")).json()["items"]
    assert "nobody waits for an answer" in words_in(await officer.get(f"/opt-outs/{opt_out['id']}"))
    keys = PointKeys.from_settings(database.settings)
    async with database.reading() as session:
        assert await waiting_complaints(session, keys, ZoneInfo("UTC"), limit=5) == []
