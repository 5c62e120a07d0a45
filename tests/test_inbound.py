"""Doors for machines: what is let in, what an event does, what is told of it."""

import asyncio
import json
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.intake import forget_events, watch_doors
from app.intake.inbound_doors import note_refusals, note_request
from app.platform.alarms import read_incidents
from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.acts import Registry
from tests.desk import drop
from tests.doors import MAILER, SECRET, decision, door, listed, open_door, taken

AUTH = {"authorization": f"Basic {b64encode(SECRET.encode()).decode()}"}
JO = "jo@example.com"


def change(
    email: str = JO, *, minutes: float = 0, stop: bool = True, **more: object
) -> dict[str, Any]:
    """Write what Postmark sends when somebody unsubscribes, or comes back."""
    return {
        "RecordType": "SubscriptionChange",
        "MessageID": None,
        "ServerID": 123456,
        "MessageStream": "broadcast",
        "ChangedAt": wire_time(now() - timedelta(minutes=60 - minutes)),
        "Recipient": email,
        "Origin": "Recipient",
        "SuppressSending": stop,
        "SuppressionReason": "ManualSuppression" if stop else None,
        "Tag": None,
        "Metadata": {"name": "Jo Example"},
        **more,
    }


@pytest.fixture
async def path(admin: httpx.AsyncClient) -> str:
    """Open a door for Postmark."""
    return await open_door(admin, "postmark")


async def sent(client: httpx.AsyncClient, path: str, *events: object) -> dict[str, int]:
    """Send events as the provider does."""
    body = list(events) if len(events) > 1 else events[0]
    return await taken(await client.post(path, json=body, headers=AUTH))


async def test_an_unsubscribe_at_a_provider_blocks_from_the_answer_on(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, path: str
) -> None:
    assert await sent(client, path, event := change()) == {"recorded": 1}
    assert await decision(admin, JO) == "block"
    assert await sent(client, path, event) == {"duplicate": 1}
    (one,) = (await admin.get("/v1/inbound-events")).json()["items"]
    opt_out = (await admin.get(f"/v1/opt-outs/{one['opt_out']}")).json()
    assert (opt_out["reason"], opt_out["media"]) == ("unsubscribe", ["email"])
    assert opt_out["channel"] == MAILER
    assert drop(one, "id", "arrived_at", "opt_out") == {
        "channel": MAILER,
        "dialect": "postmark",
        "occurred_at": event["ChangedAt"],
        "act": "unsubscribe",
        "outcome": "recorded",
        "reason": "",
        "review": False,
        "identifiers": ["j•••@example.com"],
        "request_sha256": sha256(json.dumps(event, separators=(",", ":")).encode()).hexdigest(),
    }
    shown = await door(admin)
    tallies = [drop(tally, "last_at") for tally in shown.pop("tallies")]
    assert drop(shown, "first_at", "last_at") == {
        "channel": MAILER,
        "dialect": "postmark",
        "state": "speaking",
        "requests": 2,
        "refused_at": None,
        "events": dict.fromkeys(("lifted", "refused", "waiting", "dropped"), 0)
        | {"recorded": 1, "duplicate": 1},
    }
    assert tallies == [
        {"outcome": end, "reason": "", "count": 1} for end in ("recorded", "duplicate")
    ]


async def test_one_bad_event_is_listed_and_loses_no_other(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, path: str
) -> None:
    events = [
        change("nobody", minutes=3),
        {"RecordType": "Open", "Recipient": JO},
        {"RecordType": ["?"]},
        "no object",
        change(minutes=5),
        change("ann@example.com", minutes=6, ChangedAt="soon"),
    ]
    assert await sent(client, path, *events) == {"recorded": 1, "refused": 4, "dropped": 1}
    assert sorted(await listed(admin, outcome="refused")) == [
        ("nothing", "refused", "no-recordtype"),
        ("nothing", "refused", "no-recordtype"),
        ("nothing", "refused", "no-time"),
        ("unsubscribe", "refused", "unusable-identifier"),
    ]
    assert await decision(admin, JO) == "block"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no-signature"),
        ({"authorization": "Basic ????"}, "bad-signature"),
        ({"authorization": f"Basic {b64encode(b'hook:other').decode()}"}, "bad-signature"),
        ({"authorization": "Bearer "}, "no-signature"),
    ],
)
async def test_what_is_not_signed_is_refused_and_counted(
    client: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    path: str,
    headers: dict[str, str],
    reason: str,
) -> None:
    answers = await asyncio.gather(
        *(client.post(path, json=change(), headers=headers) for _ in range(7))
    )
    assert {one.status_code for one in answers} == {401}
    assert answers[0].json()["type"] == "/problems/bad-signature"
    shown = await door(admin)
    assert (shown["state"], shown["requests"]) == ("refusing", 0)
    assert [(one["reason"], one["count"]) for one in shown["tallies"]] == [(f"request:{reason}", 7)]
    assert (await decision(admin, JO), await listed(admin)) == ("allow", [])


async def test_doors_that_are_not_there_and_bodies_that_are_none(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, path: str
) -> None:
    for nowhere in ("mailgun/mailer", "postmark/x", "x/mailer"):
        answer = await client.post(f"/v1/inbound/{nowhere}", json=change(), headers=AUTH)
        assert answer.status_code == 404
    for body in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"RecordType": NaN}'):
        answer = await client.post(path, content=body, headers=AUTH)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/unreadable-events")
    assert (await client.post(path, content=b"x" * 16_777_217, headers=AUTH)).status_code == 413
    assert [one["reason"] for one in (await door(admin))["tallies"]] == ["request:not-json"]


async def test_a_channel_without_a_secret_lets_nobody_in(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    path = await open_door(admin, "postmark", secret=None)
    assert (await client.post(path, json=change(), headers=AUTH)).status_code == 401


async def test_a_resubscribe_lifts_what_its_own_channel_laid_and_nothing_else(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, path: str
) -> None:
    assert await sent(client, path, change(minutes=1, stop=False)) == {"refused": 1}
    assert await sent(client, path, change(minutes=2)) == {"recorded": 1}
    too_old = change(minutes=1.5, stop=False)
    of_ours = change(minutes=3, stop=False, Origin="Customer")
    undated = change(minutes=3, stop=False, ChangedAt=None)
    for no_act in (too_old, of_ours, undated):
        assert await sent(client, path, no_act) == {"refused": 1}
    assert await decision(admin, JO) == "block"
    assert await sent(client, path, change(minutes=4, stop=False)) == {"lifted": 1}
    assert await decision(admin, JO) == "allow"
    late = "late@example.com"
    assert await sent(client, path, change(late, minutes=3, stop=False)) == {"refused": 1}
    assert await sent(client, path, change(late, minutes=2)) == {"recorded": 1}
    assert await decision(admin, late) == "block", "what it came back from had not been told yet"
    other = await open_door(admin, "postmark", slug="other")
    assert await sent(client, other, change(minutes=5)) == {"recorded": 1}
    assert await sent(client, path, change(minutes=6, stop=False)) == {"refused": 1}
    assert await decision(admin, JO) == "block"
    assert [why for _, outcome, why in await listed(admin) if outcome == "refused"] == [
        "laid-elsewhere",
        "nothing-stands",
        "no-time",
        "not-by-the-person",
        "objection-is-newer",
        "nothing-stands",
    ]


async def test_a_bounce_blocks_mail_until_a_delivery_and_an_objection_stays(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    path = await open_door(admin, "postmark", delivery_lifts_bounces=True)
    bounce = {"RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "Email": JO}
    soft = {"RecordType": "Bounce", "ID": 43, "Type": "SoftBounce", "Email": JO}
    when = change(minutes=1)["ChangedAt"]
    events = [{**bounce, "BouncedAt": when}, soft, change("ann@example.com", minutes=1)]
    assert await sent(client, path, *events) == {"recorded": 2, "dropped": 1}
    assert await decision(admin, JO) == "block"

    def delivered(email: str, minutes: float) -> dict[str, Any]:
        at = change(minutes=minutes)["ChangedAt"]
        return {"RecordType": "Delivery", "MessageID": "m", "Recipient": email, "DeliveredAt": at}

    assert await sent(client, path, delivered(JO, 0.5)) == {"dropped": 1}
    assert await decision(admin, JO) == "block"
    events = [delivered(JO, 2), delivered("ann@example.com", 2)]
    assert await sent(client, path, *events) == {"lifted": 1, "dropped": 1}
    assert (await decision(admin, JO), await decision(admin, "ann@example.com")) == (
        "allow",
        "block",
    )


async def test_options_name_the_brand_and_one_that_nobody_knows_is_every_brand(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await admin.post("/v1/brands", json={"slug": "sauerkraut", "name": "Sauerkraut"})
    path = await open_door(
        admin, "postmark", brands=["broadcast=sauerkraut", "old=gone"], brand="gone"
    )
    mails = ["a@example.com", "b@example.com", "c@example.com"]
    for mail, stream in zip(mails, ("broadcast", "old", "outbound"), strict=True):
        assert await sent(client, path, change(mail, MessageStream=stream)) == {"recorded": 1}
    items = (await admin.get("/v1/opt-outs")).json()["items"]
    assert [one["brand"] for one in items] == [None, None, "sauerkraut"]


async def test_what_is_kept_is_sealed_and_ends_with_an_erasure_or_its_time(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database, path: str
) -> None:
    await sent(client, path, change(), change("ann@example.com", stop=False, minutes=1))
    async with database.reading() as session:
        rows = (await session.execute(text("SELECT * FROM inbound_events"))).all()
        kept = json.dumps([[str(value) for value in row] for row in rows])
        assert not any(plain in kept for plain in (JO, "ann@", "Jo Example"))
    everybody = [{"kind": "email", "value": JO}, {"kind": "email", "value": "ann@example.com"}]
    erasure = (await admin.post("/v1/erasures", json={"identifiers": everybody})).json()["id"]
    assert await Registry(database).destroy(erasure)
    items = (await admin.get("/v1/inbound-events")).json()["items"]
    assert [one["identifiers"] for one in items] == [None, None]
    assert await decision(admin, JO) == "block"
    for before, gone in ((now() - timedelta(days=1), 0), (now(), 2)):
        async with database.transaction() as session:
            assert await forget_events(session, before=before) == gone
    assert await listed(admin) == []


async def heard(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """List what the operators hear of doors."""
    async with database.reading() as session:
        rows = await session.execute(text("SELECT type, data FROM alarms ORDER BY id"))
        return [(row.type, row.data) for row in rows]


async def test_the_operators_hear_of_a_door_that_falls_silent_and_of_forged_requests(
    admin: httpx.AsyncClient, database: Database, path: str
) -> None:
    assert path
    (channel,) = [one["slug"] for one in (await admin.get("/v1/channels")).json()["items"]]
    assert channel == MAILER
    begun = now() - timedelta(days=30)
    async with database.reading() as session:
        number = await session.scalar(text("SELECT id FROM channels"))

    async def at(hours: float) -> list[str]:
        await watch_doors(database, begun + timedelta(hours=hours))
        return [kind for kind, _ in await heard(database)]

    async def let_in(hours: float) -> None:
        async with database.transaction() as session:
            await note_request(session, number, begun + timedelta(hours=hours))

    async def refused(hours: float, times: int) -> None:
        async with database.transaction() as session:
            many = [(number, "bad-signature")] * times
            await note_refusals(session, many, begun + timedelta(hours=hours))

    for hour in range(0, 120, 12):
        await let_in(hour)
    assert await at(108 + 47) == [], "it was quiet for twelve hours before"
    assert await at(108 + 49) == await at(160) == ["door.silent"]
    await let_in(200)
    assert await at(201) == ["door.silent", "door.recovered"]
    await refused(210, 3)
    await refused(211, 4)
    assert len(await at(211)) == 2, "seven in an hour are no burst"
    await refused(211.1, 2)
    assert (await at(211.1))[2:] == ["door.refusing"]
    await let_in(211.2)
    assert len(await at(211.2)) == 3
    assert (await at(212))[3:] == ["door.recovered"]
    about = {"channel": MAILER, "party": MAILER, "dialect": "postmark"}
    assert (await heard(database))[2][1] == {
        **about,
        "failures": 6,
        "last_at": wire_time(begun + timedelta(hours=200)),
    }
    lasted = {"incident": "door.refusing", "lasted_seconds": 3_240}
    assert (await heard(database))[3][1] == {**about, **lasted}
    assert (await at(262))[4:] == ["door.silent"], "the first silence taught nothing"
    await admin.patch(f"/v1/channels/{MAILER}", json={"inbound": None})
    await at(263)
    async with database.reading() as session:
        assert await read_incidents(session) == []
