"""What people do themselves: the link, the single click, the open form, and what none may lift."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from app.accounts import Limit, count_try
from app.intake import revoke_links
from app.platform.clock import now
from app.platform.db import Database
from tests.conftest import Caller
from tests.people import leads_to, submit, token_in, words_in

EMAIL, PHONE = "camille@example.com", "+33639980031"
BOTH = [{"kind": "email", "value": EMAIL}, {"kind": "phone", "value": PHONE}]


@pytest.fixture
async def person(caller: Caller) -> httpx.AsyncClient:
    """Open a person's browser, which nobody knows."""
    browser = await caller()
    browser.headers["accept-language"] = "en"
    return browser


async def link(admin: httpx.AsyncClient, **given: object) -> tuple[str, str]:
    """Make a link: the paths of its page and of its single click."""
    answer = await admin.post("/v1/preference-links", json={"identifiers": BOTH, **given})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["headers"] == {
        "List-Unsubscribe": f"<{made['one_click_url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return urlsplit(made["url"]).path, urlsplit(made["one_click_url"]).path


async def blocked(admin: httpx.AsyncClient) -> set[str]:
    """Tell by which media neither contact point may be used."""
    found = set()
    for medium, who in (
        ("voice", {"phone": PHONE}),
        ("sms", {"phone": PHONE}),
        ("messaging", {"phone": PHONE}),
        ("email", {"email": EMAIL}),
    ):
        answer = await admin.post("/v1/checks", json={"medium": medium, **who})
        if answer.json()["decision"] == "block":
            found.add(medium)
    return found


async def choose(person: httpx.AsyncClient, page: str, *media: str) -> httpx.Response:
    """Save the page with these switches on."""
    on = {f"may-{medium}:": "on" for medium in media}
    return await submit(person, page, **{"shown:": "1"}, **on)


async def test_a_link_names_nobody_and_no_two_are_alike(admin: httpx.AsyncClient) -> None:
    first, second = await link(admin), await link(admin)
    assert len({*first, *second}) == 4
    for path in (*first, *second):
        assert re.fullmatch(r"/[pu]/[A-Za-z0-9_-]{40,400}", path)
        assert "camille" not in path


async def test_a_switch_stands_for_each_medium_that_the_link_can_carry(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    page, _ = await link(admin)
    shown = await person.get(page)
    assert re.findall(r'name="(may-[a-z]+):"', shown.text) == [
        "may-voice",
        "may-sms",
        "may-messaging",
        "may-email",
    ]
    assert "c•••@example.com" in words_in(shown)
    assert EMAIL not in shown.text
    assert PHONE not in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"
    only, _ = await link(admin, media=["email"])
    assert re.findall(r'name="(may-[a-z]+):"', (await person.get(only)).text) == ["may-email"]


async def test_switched_off_is_blocked_at_once_and_switched_on_again_is_not(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    page, _ = await link(admin)
    saved = await choose(person, page, "sms", "email")
    assert await blocked(admin) == {"voice", "messaging"}
    shown = await person.get(leads_to(saved))
    assert "Done. It counts from this moment." in words_in(shown)
    assert "checked" not in re.findall(r'name="may-voice:"[^>]*', shown.text)[0]
    await choose(person, page, "voice", "sms", "messaging", "email")
    assert await blocked(admin) == set()


async def test_stop_everything_stops_what_nobody_listed(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    page, _ = await link(admin, media=["email"])
    await submit(person, page, stop="all", **{"may-email:": "on"})
    assert await blocked(admin) == {"voice", "sms", "messaging", "email"}


async def test_a_link_lifts_only_what_a_link_laid(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, agent: httpx.AsyncClient
) -> None:
    del agent  # the channel that an agent told is there now
    page, _ = await link(admin)
    await choose(person, page, "sms", "email", "messaging")
    told = {"identifiers": BOTH[1:], "media": ["voice"], "channel": "front-desk"}
    assert (await admin.post("/v1/opt-outs", json=told)).status_code == 201
    shown = await person.get(page)
    assert "disabled" in re.findall(r'name="may-voice:"[^>]*', shown.text)[0]
    assert "stopped elsewhere at your request" in words_in(shown)
    await choose(person, page, "voice", "sms", "messaging", "email")
    assert await blocked(admin) == {"voice"}


async def test_what_a_link_lifted_hides_nothing_that_arrives_late(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, agent: httpx.AsyncClient
) -> None:
    del agent
    page, _ = await link(admin)
    before = (now() - timedelta(days=1)).isoformat()
    await choose(person, page, "sms", "messaging", "email")
    await choose(person, page, "voice", "sms", "messaging", "email")
    late = {"identifiers": BOTH[1:], "channel": "front-desk", "occurred_at": before}
    assert (await admin.post("/v1/opt-outs", json=late)).status_code == 201
    assert await blocked(admin) == {"voice", "sms", "messaging"}


async def test_a_switch_for_one_brand_leaves_the_others(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    for slug in ("sauerkraut", "pretzel"):
        await admin.post("/v1/brands", json={"slug": slug, "name": slug.title()})
    page, _ = await link(admin, brand="sauerkraut")
    assert "Your choice, for Sauerkraut and its partners" in words_in(await person.get(page))
    await submit(person, page, **{"shown:sauerkraut": "1"})
    for brand, decision in (("sauerkraut", "block"), ("pretzel", "allow")):
        asked = {"email": EMAIL, "medium": "email", "brand": brand}
        assert (await admin.post("/v1/checks", json=asked)).json()["decision"] == decision


async def test_one_click_is_a_post_that_needs_nothing_but_the_link(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    _, click = await link(admin, identifiers=BOTH[:1])
    tracked = {"utm_source": "mail", "utm_campaign": ["a", "b"]}  # as senders' tools append them
    done = await person.post(click, params=tracked, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert "You are unsubscribed." in words_in(done)
    assert await blocked(admin) == {"email"}


async def test_one_click_by_a_multipart_form_counts_too(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    _, click = await link(admin, identifiers=BOTH[:1])
    files = {"List-Unsubscribe": (None, "One-Click")}
    assert (await person.post(click, files=files)).status_code == 200
    assert await blocked(admin) == {"email"}


async def test_a_link_scanner_s_get_changes_nothing(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, database: Database
) -> None:
    page, click = await link(admin)
    for path in (page, click):
        assert (await person.get(path)).status_code == 200
        assert (await person.head(path)).status_code == 405
    other = await person.post(click, data={"List-Unsubscribe": "Something"})
    assert other.status_code == 422
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM opt_outs")) == 0


async def test_a_click_that_comes_a_hundred_times_is_told_once(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, database: Database
) -> None:
    page, click = await link(admin, identifiers=BOTH[:1])
    for _ in range(5):
        await person.post(click, data={"List-Unsubscribe": "One-Click"})
    async with database.reading() as session:
        assert await session.scalar(text("SELECT position FROM journal_head")) == 1
    await choose(person, page, "email")
    assert await blocked(admin) == set()
    await person.post(click, data={"List-Unsubscribe": "One-Click"})
    assert await blocked(admin) == {"email"}


async def test_a_link_for_one_purpose_opens_no_other_door(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    page, click = await link(admin)
    crossed = (click.replace("/u/", "/p/"), page.replace("/p/", "/u/"))
    for path in (*crossed, f"{page}x", page[:-2], "/p/x", "/u/" + "A" * 20_000, "/p/%00"):
        missing = await person.get(path)
        assert missing.status_code == 404, path
        assert "This link does not work." in words_in(missing)


async def test_links_end_by_age_and_all_at_once(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, database: Database
) -> None:
    page, click = await link(admin)
    async with database.transaction() as session:
        await revoke_links(session, before=now() + timedelta(seconds=1))
    assert (await person.get(page)).status_code == 404
    done = await person.post(click, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 404
    assert await blocked(admin) == set()


async def test_saving_needs_the_page_s_own_form(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    page, _ = await link(admin)
    assert (await person.post(page, data={"stop": "all"})).status_code == 403
    assert await blocked(admin) == set()


async def test_another_s_opt_out_is_not_shown_by_one_s_own_link(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    page, _ = await link(admin)
    other, _ = await link(admin, identifiers=[{"kind": "email", "value": "a@example.com"}])
    saved = leads_to(await submit(person, other, stop="all"))
    assert (await person.get(saved)).status_code == 200
    assert (await person.get(page + "/saved/" + saved.rpartition("/")[2])).status_code == 404


async def test_the_open_form_blocks_at_once_unverified_and_tells_the_same_whoever_it_is(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, database: Database
) -> None:
    first = await submit(person, "/objection", who="06 39 98 00 31", scope="calls")
    assert first.status_code == 200
    assert await blocked(admin) == {"voice"}
    again = await submit(person, "/objection", who="06 39 98 00 31", scope="calls")
    assert again.text == first.text
    assert PHONE not in first.text
    async with database.reading() as session:
        verified = await session.scalars(text("SELECT DISTINCT verified FROM grounds"))
        assert verified.all() == [False]


async def test_no_link_lifts_what_the_open_form_laid(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    await submit(person, "/objection", who=EMAIL, scope="email")
    page, _ = await link(admin)
    await choose(person, page, "voice", "sms", "messaging", "email")
    assert await blocked(admin) == {"email"}


async def test_the_open_form_has_a_limit_for_each_block_of_addresses(
    person: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    shown = await person.get("/objection")
    for number in range(21):
        fields = {"token": token_in(shown), "who": f"nobody{number}@example.com", "scope": "all"}
        answer = await person.post("/objection", data=fields)
    assert answer.status_code == 429
    assert "Nothing was recorded." in words_in(answer)
    asked = {"email": "nobody20@example.com", "medium": "email"}
    assert (await admin.post("/v1/checks", json=asked)).json()["decision"] == "allow"


async def test_what_is_no_contact_point_is_said_by_the_open_form(person: httpx.AsyncClient) -> None:
    refused = await submit(person, "/objection", who="<b>12", scope="calls")
    assert refused.status_code == 422
    assert '<option value="calls" selected>' in refused.text, "what was chosen is kept"
    assert "This is no phone number or e-mail address." in words_in(refused)
    assert "<b>12" not in refused.text


async def test_a_surge_at_the_open_form_is_heard_of_once(
    person: httpx.AsyncClient, database: Database
) -> None:
    async with database.transaction() as session:
        for _ in range(200):
            limit = Limit(200, timedelta(hours=1))
            await count_try(session, "objection-usual", limit, at=now())
    for number in range(3):
        await submit(person, "/objection", who=f"nobody{number}@example.com", scope="all")
    async with database.reading() as session:
        told = (await session.execute(text("SELECT type, data FROM alarms"))).all()
    assert told == [("objections.surge", {"within_an_hour": 200})]


async def test_what_the_open_form_took_in_an_interval_is_voided_after_a_preview(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, agent: httpx.AsyncClient
) -> None:
    del agent
    begun = now()
    await submit(person, "/objection", who=EMAIL, scope="all")
    await submit(person, "/objection", who=PHONE, scope="calls")
    told = {"identifiers": BOTH[1:], "media": ["sms"], "channel": "front-desk"}
    assert (await admin.post("/v1/opt-outs", json=told)).status_code == 201
    assert await blocked(admin) == {"email", "voice", "sms"}
    asked = {
        "since": begun.isoformat(),
        "until": now().isoformat(),
        "reason": "a prank",
        "preview": True,
    }
    seen = await admin.post("/v1/unverified-opt-outs/void", json=asked)
    assert seen.json() == {"found": 2, "voided": 0, "position": None}
    assert await blocked(admin) == {"email", "voice", "sms"}
    done = await admin.post("/v1/unverified-opt-outs/void", json=asked | {"preview": False})
    assert done.json() == {"found": 2, "voided": 2, "position": 5}
    assert await blocked(admin) == {"sms"}
    again = await admin.post("/v1/unverified-opt-outs/void", json=asked | {"preview": False})
    assert again.json() == {"found": 0, "voided": 0, "position": None}
