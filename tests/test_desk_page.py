"""The desk as a browser without scripts sees it: looking up, recording, taking back."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from app.accounts import Limit, Role, count_try
from app.parties import Acts, list_audit
from app.platform.clock import now
from app.platform.db import Database
from app.platform.ids import new_id
from tests.conftest import Caller
from tests.people import (
    CHANNEL,
    leads_to,
    let_in,
    open_channel,
    record,
    session_of,
    signed_in,
    submit,
    token_in,
    words_in,
)
from tests.receivers import hasty, register
from tests.test_alarms import heard, operators

NUMBER = "+33639980031"


async def test_what_is_recorded_at_the_desk_blocks_at_once_and_says_who_recorded_it(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent, "06 39 98 00 31", said="complaint", reference="CALL-8812")
    checked = await admin.post("/v1/checks", json={"phone": NUMBER, "medium": "voice"})
    assert checked.json()["decision"] == "block"
    assert checked.json()["reasons"][0]["reason"] == "complaint"
    async with database.reading() as session:
        row = (await session.execute(text("SELECT * FROM opt_outs"))).mappings().one()
    assert row["id"] == opt_out
    assert row["user_id"] is not None
    assert row["recorded_by"] == "agent-42"
    assert row["evidence"] == {"kind": "call_recording", "reference": "CALL-8812"}
    shown = await agent.get(f"/desk/opt-outs/{opt_out}")
    assert "Do not contact +33 6 •• •• •• 31 · every brand" in words_in(shown)
    assert "No database is concerned" in words_in(shown)
    assert NUMBER not in shown.text


async def test_a_complaint_is_heard_of_by_the_operators_without_naming_anybody(
    agent: httpx.AsyncClient, database: Database
) -> None:
    await record(agent, NUMBER)
    opt_out = await record(agent, NUMBER, said="complaint")
    async with database.reading() as session:
        told = (await session.execute(text("SELECT type, data FROM alarms"))).all()
    assert told == [("complaint.recorded", {"opt_out": str(opt_out), "channel": CHANNEL})]


async def test_a_complaint_reaches_the_operations_address_signed(
    agent: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent, NUMBER, said="complaint")
    loopback = replace(database, settings=hasty(database.settings))
    async with operators(loopback) as (desk, send):
        await send()
    (event,) = heard(desk)  # which verifies what it reads
    assert event["type"] == "complaint.recorded"
    assert event["data"] == {"opt_out": str(opt_out), "channel": CHANNEL}


async def test_whoever_is_blocked_by_a_file_is_shown_as_such(
    agent: httpx.AsyncClient, database: Database, admin: httpx.AsyncClient
) -> None:
    await register(admin, None)
    await record(agent, NUMBER)
    async with database.transaction() as session:
        # As an import leaves it: its record is no opt-out.
        await session.execute(
            text("""
                WITH file AS (
                    INSERT INTO imports (id, recorded_at, occurred_at, size, key, channel, brand,
                                         media, reason, dated, dry_run, region, sha256)
                    SELECT :id, now(), now(), 9, 1, 1, 0, 31, 1, false, false, 'FR', ''
                )
                UPDATE grounds SET line = 7, opt_out = :id
            """),
            {"id": new_id()},
        )
    words = words_in(await submit(agent, "/desk", "/desk/look-up", who=NUMBER))
    assert "Do not contact" in words
    assert "Databases that know 0 of 1" in words


async def test_a_look_up_is_noted_and_too_many_are_refused_and_heard_of(
    agent: httpx.AsyncClient, database: Database
) -> None:
    await submit(agent, "/desk", "/desk/look-up", who=NUMBER)
    async with database.transaction() as session:
        (act,) = await list_audit(session, Acts(action="contact-point.looked-up"), limit=9)
        user = act.actor.removeprefix("user:")
        limit = Limit(600, timedelta(hours=1))
        for _ in range(600):
            await count_try(session, f"look-up/{user}", limit, at=now())
    assert NUMBER not in str(act)
    for _ in range(2):
        refused = await submit(agent, "/desk", "/desk/look-up", who=NUMBER)
        assert refused.status_code == 429
        assert "That was too often." in words_in(refused)
    async with database.reading() as session:
        told = (await session.execute(text("SELECT type, data FROM alarms"))).all()
    assert told == [("look-ups.surge", {"user": user})]


async def test_a_contact_point_is_shown_whole_to_a_supervisor_who_is_noted(
    agent: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    opt_out = await record(agent, NUMBER)
    page = f"/desk/opt-outs/{opt_out}"
    assert "Show in full" not in words_in(await agent.get(page))
    assert (await submit(agent, "/desk", f"{page}/show")).status_code == 403
    user = await let_in(database, "boss", Role.SUPERVISOR, channel=CHANNEL)
    boss = await caller()
    await signed_in(boss, "boss")
    assert "+33 6 •• •• •• 31" in words_in(await boss.get(page))
    assert "+33 6 39 98 00 31" in words_in(await submit(boss, page, f"{page}/show"))
    async with database.reading() as session:
        (act,) = await list_audit(session, Acts(action="contact-point.shown"), limit=9)
    assert (act.actor, act.subject) == (user.actor, f"opt-out:{opt_out}")


async def test_enter_pressed_twice_records_once(
    agent: httpx.AsyncClient, database: Database
) -> None:
    found = await submit(agent, "/desk", "/desk/look-up", who=NUMBER)
    (once,) = re.findall(r'name="once" value="([0-9a-f-]+)"', found.text)
    said = {"token": token_in(found), "who": NUMBER, "said": "all", "once": once}
    answers = await asyncio.gather(*(agent.post("/desk/opt-outs", data=said) for _ in range(3)))
    assert len({leads_to(answer) for answer in answers}) == 1
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM opt_outs")) == 1


async def test_no_more_calls_is_about_calls_alone(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await record(agent, NUMBER, said="calls")
    answers = {
        medium: (await admin.post("/v1/checks", json={"phone": NUMBER, "medium": medium})).json()
        for medium in ("voice", "sms")
    }
    assert {medium: one["decision"] for medium, one in answers.items()} == {
        "voice": "block",
        "sms": "allow",
    }


async def test_a_choice_that_nobody_offered_blocks_everything(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await record(agent, NUMBER, said="nothing-we-know")
    checked = await admin.post("/v1/checks", json={"phone": NUMBER, "medium": "sms"})
    assert checked.json()["decision"] == "block"


async def test_a_look_up_says_what_stands_since_when_and_who_told_it(
    agent: httpx.AsyncClient,
) -> None:
    free = await submit(agent, "/desk", "/desk/look-up", who="06 39 98 00 31")
    assert "No objection on record +33 6 39 98 00 31 · France" in words_in(free)
    await record(agent, NUMBER)
    known = await submit(agent, "/desk", "/desk/look-up", who="06 39 98 00 31")
    words = words_in(known)
    assert "Do not contact +33 6 39 98 00 31 · France" in words
    assert "Told by The channel" in words
    assert str(known.url) == "http://test/desk/look-up"


@pytest.mark.parametrize(
    ("role", "place", "leads"),
    [
        (Role.OFFICER, None, "/opt-outs/"),
        (Role.SUPERVISOR, CHANNEL, "/desk/opt-outs/"),
        (Role.SUPERVISOR, "elsewhere", None),
        (Role.AGENT, CHANNEL, None),
    ],
)
async def test_who_answers_for_an_opt_out_finds_it_by_the_person(
    role: Role,
    place: str | None,
    leads: str | None,
    agent: httpx.AsyncClient,
    caller: Caller,
    admin: httpx.AsyncClient,
    database: Database,
) -> None:
    opt_out = await record(agent, NUMBER, said="calls")
    await open_channel(admin, "elsewhere")
    other = await caller()
    other.headers["accept-language"] = "en"
    if role is Role.OFFICER:
        other.cookies.set("optout_session", await session_of(database, "other", role))
    else:
        await let_in(database, "other", role, channel=place)
        await signed_in(other, "other")
    found = await submit(other, "/desk", "/desk/look-up", who="06 39 98 00 31")
    assert ("What was done the latest first Opt-out" in words_in(found)) == bool(leads)
    assert re.findall(r'href="([a-z/-]*/opt-outs/)[0-9a-f-]{36}"', found.text) == (
        [leads] if leads else []
    )
    if leads:
        assert (await other.get(f"{leads}{opt_out}")).status_code == 200


async def test_what_cannot_be_read_is_said_and_escaped(agent: httpx.AsyncClient) -> None:
    found = await submit(agent, "/desk", "/desk/look-up", who="<script>alert(1)</script>")
    assert found.status_code == 200
    assert "This is no phone number or e-mail address." in words_in(found)
    assert "<script>alert" not in found.text
    refused = await agent.post(
        "/desk/opt-outs", data={"token": token_in(found), "who": "12", "said": "all"}
    )
    assert refused.status_code == 422
    assert "Nothing was recorded." in words_in(refused)


@pytest.mark.parametrize("who", ["\x00", "+" * 5_000, "é@" * 300, "\u202e13 00 89", "٠٦ ٣٩"])
async def test_whatever_is_typed_gets_a_page(who: str, agent: httpx.AsyncClient) -> None:
    assert (await submit(agent, "/desk", "/desk/look-up", who=who)).status_code == 200


async def test_an_agent_takes_back_their_own_for_ten_minutes(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent, NUMBER)
    page = f"/desk/opt-outs/{opt_out}"
    assert "By yourself until" in words_in(await agent.get(page))
    assert leads_to(await submit(agent, page, f"{page}/take-back")) == page
    assert "Taken back +33 6 •• •• •• 31" in words_in(await agent.get(page))
    assert "Take back" not in words_in(await agent.get(page))
    checked = await admin.post("/v1/checks", json={"phone": NUMBER, "medium": "voice"})
    assert checked.json()["decision"] == "allow"
    async with database.reading() as session:
        acts = await list_audit(session, Acts(action="opt-out.voided"), limit=9)
    assert [act.subject for act in acts] == [f"opt-out:{opt_out}"]
    assert acts[0].actor.startswith("user:")


async def test_later_or_for_another_it_takes_a_supervisor(
    agent: httpx.AsyncClient, caller: Caller, admin: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent, NUMBER)
    page = f"/desk/opt-outs/{opt_out}"
    await let_in(database, "agent-43", channel=CHANNEL)
    other = await caller()
    await signed_in(other, "agent-43")
    assert "Take back" not in words_in(await other.get(page))
    refused = await submit(other, "/desk", f"{page}/take-back")
    assert refused.status_code == 403
    async with database.transaction() as session:
        ago = text("UPDATE opt_outs SET recorded_at = recorded_at - interval '10 minutes'")
        await session.execute(ago)
    assert (await submit(agent, "/desk", f"{page}/take-back")).status_code == 403
    checked = await admin.post("/v1/checks", json={"phone": NUMBER, "medium": "voice"})
    assert checked.json()["decision"] == "block"
    await let_in(database, "boss", Role.SUPERVISOR, channel=CHANNEL)
    boss = await caller()
    await signed_in(boss, "boss")
    assert leads_to(await submit(boss, page, f"{page}/take-back", reason="a wrong number")) == page
    async with database.reading() as session:
        why = await session.scalar(text("SELECT void_reason FROM opt_outs"))
    assert why == "a wrong number"


async def test_another_channel_s_opt_out_is_not_there(
    agent: httpx.AsyncClient, caller: Caller, admin: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent, NUMBER)
    await open_channel(admin, "elsewhere")
    await let_in(database, "stranger", channel="elsewhere")
    stranger = await caller()
    await signed_in(stranger, "stranger")
    missing = await stranger.get(f"/desk/opt-outs/{opt_out}")
    assert missing.status_code == 404
    assert "There is nothing here." in words_in(missing)


async def test_what_was_recorded_today_is_counted_and_masked(agent: httpx.AsyncClient) -> None:
    await record(agent, NUMBER)
    await record(agent, "camille@example.com")
    words = words_in(await agent.get("/desk"))
    assert "2 by you, 2 by all" in words
    assert "c•••@example.com" in words
    assert "camille@" not in words


async def test_somebody_of_no_channel_says_for_which_they_record(
    browser: httpx.AsyncClient, database: Database
) -> None:
    await let_in(database, "a", Role.SUPERVISOR)
    await signed_in(browser, "a")
    found = await submit(browser, "/desk", "/desk/look-up", who=NUMBER)
    assert f'<option value="{CHANNEL}">' in found.text
    await record(browser, NUMBER, channel=CHANNEL)
    refused = await browser.post(
        "/desk/opt-outs", data={"token": token_in(found), "who": NUMBER, "channel": "nowhere"}
    )
    assert refused.status_code == 422
