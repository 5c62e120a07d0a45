"""The pages as a browser without scripts sees them: who is let in, what is refused, and how."""

import re
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.accounts import Role
from app.console.words import LANGUAGES, choose_language, texts_of
from app.parties import list_audit
from app.platform.db import Database
from tests.conftest import Caller
from tests.people import (
    PASSWORD,
    enrolled,
    invited,
    leads_to,
    let_in,
    signed_in,
    submit,
    token_in,
    words_in,
)
from tests.test_parties import CHANNEL, PARTY, made

CHANNEL_SLUG = str(CHANNEL["slug"])
ROOT = Path(__file__).parents[1] / "app" / "console"
NUMBER = "+33639980031"


@pytest.fixture
async def browser(caller: Caller, admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Open a browser that is not signed in, on a registry with one channel."""
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL)
    browser = await caller()
    browser.headers["accept-language"] = "en"
    return browser


@pytest.fixture
async def agent(browser: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """Sign an agent in who records for that channel."""
    await let_in(database, "agent-42", channel=CHANNEL_SLUG)
    assert leads_to(await signed_in(browser, "agent-42")) == "/desk"
    return browser


@pytest.fixture
async def others(caller: Caller) -> Caller:
    """Hold a way to open more browsers."""
    return caller


async def record(browser: httpx.AsyncClient, who: str = NUMBER, **fields: str) -> UUID:
    """Record an objection at the desk, as the page without scripts does it."""
    found = await submit(browser, "/desk", "/desk/look-up", who=who)
    done = await browser.post(
        "/desk/opt-outs", data={"token": token_in(found), "who": who, "said": "all", **fields}
    )
    return UUID(leads_to(done).rpartition("/")[2])


@pytest.mark.parametrize(
    "page", ["/desk", "/account", "/sign-in/code", f"/desk/opt-outs/{UUID(int=1)}"]
)
async def test_a_page_without_a_session_leads_to_the_sign_in(
    page: str, browser: httpx.AsyncClient
) -> None:
    assert leads_to(await browser.get(page)) == "/sign-in"


async def test_every_page_keeps_browsers_strict(agent: httpx.AsyncClient) -> None:
    page = await agent.get("/desk")
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


def test_no_template_holds_inline_code_or_an_asset_from_elsewhere() -> None:
    for template in (ROOT / "templates").glob("*.html"):
        source = template.read_text()
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", source), template
        assert not re.search(r"<script(?![^>]*\ssrc=)", source), template
        assert not re.search(r"(src|href|action)=\"(https?:)?//", source), template


async def test_cookies_are_strict_and_bound_to_the_host_where_it_is_secure(
    app: FastAPI, database: Database, browser: httpx.AsyncClient
) -> None:
    await let_in(database, "a")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://test"
    ) as secure:
        shown = await secure.get("/sign-in")
        assert shown.headers["set-cookie"].startswith("__Host-optout_browser=")
        assert "; HttpOnly; Path=/; SameSite=strict; Secure" in shown.headers["set-cookie"]
        done = await signed_in(secure, "a")
        assert done.headers["set-cookie"].startswith("__Host-optout_session=")
        assert "; HttpOnly; Path=/; SameSite=lax; Secure" in done.headers["set-cookie"]
    assert "Secure" not in (await browser.get("/sign-in")).headers["set-cookie"]


async def test_no_such_user_and_a_wrong_password_are_told_alike(
    browser: httpx.AsyncClient, database: Database
) -> None:
    await let_in(database, "there")
    await invited(database, "soon")
    answers = [
        await signed_in(browser, login, "not the password") for login in ("there", "away", "soon")
    ]
    assert {answer.status_code for answer in answers} == {401}
    pages = [
        answer.text.replace(login, "…")
        for answer, login in zip(answers, ("there", "away", "soon"), strict=True)
    ]
    assert pages[0] == pages[1] == pages[2]
    assert "That login and password do not fit together." in words_in(answers[0])


async def test_too_many_tries_are_told_and_not_judged(
    browser: httpx.AsyncClient, database: Database
) -> None:
    await let_in(database, "a")
    for _ in range(5):
        await signed_in(browser, "a", "wrong")
    refused = await signed_in(browser, "a")
    assert refused.status_code == 429
    assert "Too many tries." in words_in(refused)


async def test_an_invitation_leads_to_a_password_and_then_to_the_desk(
    browser: httpx.AsyncClient, database: Database
) -> None:
    _, ticket = await invited(database, "new")
    weak = await submit(browser, f"/invited/{ticket}", password="password1234")  # noqa: S106 - refused
    assert weak.status_code == 422
    assert "Too common" in words_in(weak)
    assert "password1234" not in weak.text
    assert leads_to(await submit(browser, f"/invited/{ticket}", password=PASSWORD)) == "/sign-in"
    assert (await browser.get(f"/invited/{ticket}")).status_code == 404
    assert leads_to(await signed_in(browser, "new")) == "/desk"


@pytest.mark.parametrize("role", [Role.OFFICER, Role.ADMIN])
async def test_an_officer_must_have_a_second_factor(
    role: Role, browser: httpx.AsyncClient, database: Database, others: Caller
) -> None:
    await let_in(database, "o", role)
    assert leads_to(await signed_in(browser, "o")) == "/sign-in/code"
    assert leads_to(await browser.get("/desk")) == "/sign-in/code"
    phone = await enrolled(browser)
    assert (await browser.get("/desk")).status_code == 200
    elsewhere = await others()
    assert leads_to(await signed_in(elsewhere, "o")) == "/sign-in/code"
    used = await submit(elsewhere, "/sign-in/code", code=phone.now())
    assert used.status_code == 401
    assert leads_to(await elsewhere.get("/desk")) == "/sign-in/code"


async def test_a_session_that_is_ended_elsewhere_is_out_at_once(
    agent: httpx.AsyncClient, others: Caller
) -> None:
    elsewhere = await others()
    await signed_in(elsewhere, "agent-42")
    assert (await elsewhere.get("/desk")).status_code == 200
    assert leads_to(await submit(agent, "/account", "/account/sessions/end")) == "/sign-in"
    assert leads_to(await elsewhere.get("/desk")) == "/sign-in"
    assert leads_to(await agent.get("/desk")) == "/sign-in"


async def test_signing_out_ends_the_session_itself(agent: httpx.AsyncClient) -> None:
    cookie = agent.cookies["optout_session"]
    assert leads_to(await submit(agent, "/desk", "/sign-out")) == "/sign-in"
    agent.cookies.set("optout_session", cookie)
    assert leads_to(await agent.get("/desk")) == "/sign-in"


@pytest.mark.parametrize("fault", ["no token", "another's token", "another site", "another origin"])
async def test_a_form_that_is_not_ours_changes_nothing(
    fault: str, agent: httpx.AsyncClient, others: Caller, database: Database
) -> None:
    fields = {"token": token_in(await agent.get("/desk")), "who": NUMBER, "said": "all"}
    headers = {}
    match fault:
        case "no token":
            del fields["token"]
        case "another's token":
            fields["token"] = token_in(await (await others()).get("/sign-in"))
        case "another site":
            headers = {"sec-fetch-site": "cross-site"}
        case _:
            headers = {"origin": "https://elsewhere.example"}
    refused = await agent.post("/desk/opt-outs", data=fields, headers=headers)
    assert refused.status_code == 403
    assert "Nothing was recorded." in words_in(refused)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM opt_outs")) == 0


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


async def test_no_more_calls_is_about_calls_alone(
    agent: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await record(agent, said="calls")
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
    await record(agent, said="nothing-we-know")
    checked = await admin.post("/v1/checks", json={"phone": NUMBER, "medium": "sms"})
    assert checked.json()["decision"] == "block"


async def test_a_look_up_says_what_stands_since_when_and_who_told_it(
    agent: httpx.AsyncClient,
) -> None:
    free = await submit(agent, "/desk", "/desk/look-up", who="06 39 98 00 31")
    assert "No objection on record +33 6 39 98 00 31 · France" in words_in(free)
    await record(agent)
    known = await submit(agent, "/desk", "/desk/look-up", who="06 39 98 00 31")
    words = words_in(known)
    assert "Do not contact +33 6 39 98 00 31 · France" in words
    assert f"Told by {CHANNEL['slug']}" in words
    assert str(known.url) == "http://test/desk/look-up"


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
    opt_out = await record(agent)
    page = f"/desk/opt-outs/{opt_out}"
    assert "By yourself until" in words_in(await agent.get(page))
    assert leads_to(await submit(agent, page, f"{page}/take-back")) == page
    assert "Taken back +33 6 •• •• •• 31" in words_in(await agent.get(page))
    checked = await admin.post("/v1/checks", json={"phone": NUMBER, "medium": "voice"})
    assert checked.json()["decision"] == "allow"
    async with database.reading() as session:
        acts = await list_audit(session, limit=9, action="opt-out.voided")
    assert [act.subject for act in acts] == [f"opt-out:{opt_out}"]
    assert acts[0].actor.startswith("user:")


async def test_later_or_for_another_it_takes_a_supervisor(
    agent: httpx.AsyncClient, others: Caller, admin: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent)
    page = f"/desk/opt-outs/{opt_out}"
    await let_in(database, "agent-43", channel=CHANNEL_SLUG)
    other = await others()
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
    await let_in(database, "boss", Role.SUPERVISOR, channel=CHANNEL_SLUG)
    boss = await others()
    await signed_in(boss, "boss")
    assert leads_to(await submit(boss, page, f"{page}/take-back", reason="a wrong number")) == page
    async with database.reading() as session:
        why = await session.scalar(text("SELECT void_reason FROM opt_outs"))
    assert why == "a wrong number"


async def test_another_channel_s_opt_out_is_not_there(
    agent: httpx.AsyncClient, others: Caller, admin: httpx.AsyncClient, database: Database
) -> None:
    opt_out = await record(agent)
    await made(admin, "/v1/channels", {**CHANNEL, "slug": "elsewhere"})
    await let_in(database, "stranger", channel="elsewhere")
    stranger = await others()
    await signed_in(stranger, "stranger")
    missing = await stranger.get(f"/desk/opt-outs/{opt_out}")
    assert missing.status_code == 404
    assert "There is nothing here." in words_in(missing)


async def test_what_was_recorded_today_is_counted_and_masked(agent: httpx.AsyncClient) -> None:
    await record(agent)
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
    assert f'<option value="{CHANNEL_SLUG}">' in found.text
    await record(browser, channel=CHANNEL_SLUG)
    refused = await browser.post(
        "/desk/opt-outs", data={"token": token_in(found), "who": NUMBER, "channel": "nowhere"}
    )
    assert refused.status_code == 422


async def test_a_page_speaks_the_language_of_its_reader(browser: httpx.AsyncClient) -> None:
    browser.headers["accept-language"] = "fr-CH, fr;q=0.9, en;q=0.8"
    shown = await browser.get("/sign-in")
    assert '<html lang="fr">' in shown.text
    assert "Se connecter" in words_in(shown)
    chosen = await browser.get("/sign-in?lang=en")
    assert '<html lang="en">' in chosen.text
    assert "Sign in" in words_in(await browser.get("/sign-in"))


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "de", "en"),
        (None, "fr", "fr"),
        (None, "de, en;q=0.3, fr;q=0.7", "fr"),
        (None, "fr;q=0, en", "en"),
        (None, "fr;q=nonsense, en;q=0.1", "en"),
        ("fr", "en", "fr"),
        ("xx", "fr", "fr"),
    ],
)
def test_a_language_is_chosen_by_cookie_then_by_header(
    asked: str | None, accepted: str, language: str
) -> None:
    assert choose_language(asked, accepted) == language


def test_both_languages_have_the_same_words_with_the_same_gaps() -> None:
    english, french = (texts_of(language) for language in LANGUAGES)
    assert english.keys() == french.keys()
    for key in english:
        gaps = [set(re.findall(r"{(\w+)}", texts[key])) for texts in (english, french)]
        assert gaps[0] == gaps[1], key


def test_every_word_that_a_template_names_is_there() -> None:
    known = texts_of("en")
    for template in (ROOT / "templates").glob("*.html"):
        for key in re.findall(r"\bt\('([a-z_.]+)'[,)]", template.read_text()):
            assert key in known or f"{key}_one" in known, f"{template.name}: {key}"


async def test_assets_are_kept_for_ever_under_the_name_of_their_content(
    browser: httpx.AsyncClient,
) -> None:
    shown = await browser.get("/sign-in")
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', shown.text):
        asset = await browser.get(path)
        assert asset.status_code == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await browser.get(path.replace("/static/", "/static/0"))).status_code == 404
    assert (await browser.get("/static/x/..%2f__init__.py")).status_code == 404


async def test_no_page_is_heavier_than_a_hundred_kilobytes(agent: httpx.AsyncClient) -> None:
    opt_out = await record(agent)
    for page in ("/desk", "/account", f"/desk/opt-outs/{opt_out}"):
        assert len((await agent.get(page)).content) < 100_000
