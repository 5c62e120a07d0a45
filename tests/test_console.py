"""The pages as a browser without scripts sees them: who is let in, what is refused, and how."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.accounts import Role
from app.console.words import LANGUAGES, choose_language, named, texts_of, words_of
from app.parties import Action
from app.platform.clock import now
from app.platform.db import Database
from app.platform.problems import every_problem
from app.settings import Settings, shown_settings
from tests.conftest import Caller
from tests.officers import browser_of
from tests.people import (
    PASSWORD,
    enrolled,
    invited,
    leads_to,
    let_in,
    record,
    signed_in,
    submit,
    token_in,
    words_in,
)

ROOT = Path(__file__).parents[1] / "app" / "console"
NUMBER = "+33639980031"


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
    # Names that no page has words like.
    logins = ("agent-71", "agent-72", "agent-73")
    await let_in(database, logins[0])
    await invited(database, logins[2])
    answers = [await signed_in(browser, login, "not the password") for login in logins]
    assert {answer.status_code for answer in answers} == {401}
    pages = [answer.text.replace(login, "…") for answer, login in zip(answers, logins, strict=True)]
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
    role: Role, browser: httpx.AsyncClient, database: Database, caller: Caller
) -> None:
    await let_in(database, "o", role)
    assert leads_to(await signed_in(browser, "o")) == "/sign-in/code"
    assert leads_to(await browser.get("/desk")) == "/sign-in/code"
    at = now()
    phone = await enrolled(browser, at)
    assert (await browser.get("/desk")).status_code == 200
    elsewhere = await caller()
    assert leads_to(await signed_in(elsewhere, "o")) == "/sign-in/code"
    used = await submit(elsewhere, "/sign-in/code", code=phone.at(at))
    assert used.status_code == 401
    assert leads_to(await elsewhere.get("/desk")) == "/sign-in/code"


async def test_a_session_that_is_ended_elsewhere_is_out_at_once(
    agent: httpx.AsyncClient, caller: Caller
) -> None:
    elsewhere = await caller()
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
    fault: str, agent: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    fields = {"token": token_in(await agent.get("/desk")), "who": NUMBER, "said": "all"}
    headers = {}
    match fault:
        case "no token":
            del fields["token"]
        case "another's token":
            fields["token"] = token_in(await (await caller()).get("/sign-in"))
        case "another site":
            headers = {"sec-fetch-site": "cross-site"}
        case _:
            headers = {"origin": "https://elsewhere.example"}
    refused = await agent.post("/desk/opt-outs", data=fields, headers=headers)
    assert refused.status_code == 403
    assert "Nothing was recorded." in words_in(refused)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM opt_outs")) == 0


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "accept", "is_page"),
    [
        ("/nothing/here", BROWSER, True),
        ("/opt-outs/not-an-id", BROWSER, True),
        ("/v1/nothing", BROWSER, False),
        ("/nothing/here", "*/*", False),
        ("/nothing/here", "application/json, text/html;q=0.5", False),
    ],
)
async def test_a_browser_is_shown_a_page_where_nothing_stands_and_a_program_a_problem(
    path: str, accept: str, *, is_page: bool, caller: Caller, database: Database
) -> None:
    officer = await browser_of(caller, database, Role.OFFICER)
    officer.headers.update({"accept": accept, "accept-language": "fr"})
    answer = await officer.get(path)
    assert answer.status_code == 404
    if is_page:
        assert answer.headers["content-type"].startswith("text/html")
        assert texts_of("fr")["refused.gone"] in words_in(answer)
        assert texts_of("fr")["nav.overview"] in words_in(answer), "one can go on from there"
    else:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "/sign-in"),
        ("/desk/look-up?lang=fr", "/desk?lang=fr"),
        (f"/opt-outs/{UUID(int=1)}/void", f"/opt-outs/{UUID(int=1)}"),
    ],
)
async def test_the_address_of_a_form_leads_a_browser_to_its_page(
    path: str, page: str, browser: httpx.AsyncClient
) -> None:
    program = await browser.get(path)
    assert program.status_code == (404 if path == "/" else 405)
    led = await browser.get(path, headers={"accept": BROWSER})
    assert (led.status_code, led.headers["location"]) == (303, page)


async def test_whoever_is_no_longer_signed_in_is_told_that_nothing_was_recorded(
    agent: httpx.AsyncClient,
) -> None:
    form = {"token": token_in(await agent.get("/desk")), "who": NUMBER, "said": "all"}
    agent.cookies.delete("optout_session")
    led = await agent.post("/desk/opt-outs", data=form)
    words = words_in(await agent.get(led.headers["location"]))
    assert "You were no longer signed in. Nothing was recorded." in words


async def test_a_part_of_a_page_is_refused_without_a_page_around_it(
    agent: httpx.AsyncClient,
) -> None:
    form = {"token": "of-another-session", "who": NUMBER}
    part = await agent.post("/desk/look-up", data=form, headers={"hx-request": "true"})
    assert part.status_code == 403
    assert "This form is too old" in words_in(part)
    assert "<html" not in part.text


def test_every_refusal_of_a_form_has_words_of_its_own_or_of_its_status() -> None:
    words = texts_of("fr")
    refused = {key.removeprefix("refused.") for key in words if key.startswith("refused.")}
    assert {f"{why}_do" for why in refused if not why.endswith("_do")} - {
        "title_do",
        "reference_do",
    } <= refused
    types = {one.type for one in every_problem()}
    of_pages = {"role", "form", "request", "gone", "often", "unavailable", "ticket", "confirmation"}
    of_pages |= {"title", "link", "reference"}
    assert {why for why in refused if not why.endswith("_do")} <= types | of_pages


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


@pytest.mark.parametrize(
    ("language", "entries", "first", "instant"),
    [
        (
            "fr",
            "5\u202f334 entrées",
            "1er décembre 2026",
            "28 novembre 2026 à 15:10:27 (UTC+01:00)",
        ),
        ("en", "5,334 entries", "1 December 2026", "28 November 2026 at 15:10:27 (UTC+01:00)"),
    ],
)
def test_numbers_and_instants_are_written_as_their_readers_do(
    language: str, entries: str, first: str, instant: str
) -> None:
    words = words_of(language, Settings())
    assert words("overview.behind", n=5334) == entries
    assert words.date(date(2026, 12, 1)) == first
    assert words.exact(datetime(2026, 11, 28, 14, 10, 27, tzinfo=UTC)) == instant


def test_both_languages_have_the_same_words_with_the_same_gaps() -> None:
    english, french = (texts_of(language) for language in LANGUAGES)
    assert english.keys() == french.keys()
    for key in english:
        gaps = [set(re.findall(r"{(\w+)}", texts[key])) for texts in (english, french)]
        assert gaps[0] == gaps[1], key


def test_no_setting_seems_changed_that_is_not() -> None:
    shown = shown_settings(Settings.model_construct())
    seconds = shown_settings(Settings(delivery_deadline_seconds=15.0, file_seconds=3_600.0))
    assert {one.variable for one in (*shown, *seconds) if one.value != one.default} == set()


def test_what_the_rooms_say_of_a_file_or_a_ping_is_said_in_french() -> None:
    rooms = [
        ROOT.parent / room for room in ("identifiers", "files/columns.py", "delivery/pings.py")
    ]
    source = "\n".join(
        file.read_text()
        for room in rooms
        for file in (room.rglob("*.py") if room.is_dir() else [room])
    )
    said = re.findall(
        r'(?:Unusable(?:Region)?\(|_error\(name, |BadMapping\(|told\.append\(\s*|else )f?"(.+?)"',
        source,
    )
    assert len(said) > 20
    french = words_of("fr", Settings()).sentence
    examples = [re.sub(r"{.+?}", "7", one) for one in said]
    assert [one for one in examples if " " in one.strip() and french(one) == one] == []
    both = french("the database answered 500; its clock is 300 s behind")
    assert french("GDPR 21(3), L223-1 al.1 and 3") == "RGPD 21(3), L223-1 al.1 et 3"
    assert french("C. conso L223-1 al.5 (al.3 before 2026-08-11)").endswith(
        "(al.3 avant 2026-08-11)"
    )
    assert both == "la base a répondu 500; son horloge retarde de 300 s"
    assert words_of("en", Settings()).sentence(examples[0]) == examples[0]


def test_every_act_and_setting_and_given_name_is_said_in_french() -> None:
    english, french = (texts_of(language) for language in LANGUAGES)
    acts = {f"act_of.{action}" for action in get_args(Action)}
    assert acts == {key for key in french if key.startswith("act_of.")}
    assert {key for key in acts if french[key] == english[key]} == set()
    words = words_of("fr", Settings())
    meanings = {one.meaning for one in shown_settings(Settings())}
    assert {one for one in meanings if words.setting(one) == one} == set()
    source = "".join((ROOT.parent / one).read_text() for one in _NAMING)
    names = set(re.findall(r'(?:name = |NewKey\(|NewUser\("admin", )"([^"]+)"', source))
    assert len(names) == 3
    assert {one for one in names if named("fr", one) == one} == set()
    assert "Administrateur" in words("users.place_party", name="Administrator")


_NAMING = ("parties/channels.py", "cli/processes.py")
"""Where the registry names somebody by itself."""


def test_no_line_of_french_can_begin_with_a_mark() -> None:
    loose = {key: text for key, text in texts_of("fr").items() if re.search(r" [;:?!»]|« ", text)}
    assert loose == {}


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
    opt_out = await record(agent, NUMBER)
    for page in ("/desk", "/account", f"/desk/opt-outs/{opt_out}"):
        assert len((await agent.get(page)).content) < 100_000


def test_every_way_in_which_a_file_fails_is_told_in_the_reader_s_language() -> None:
    source = "\n".join(file.read_text() for file in ROOT.parent.rglob("*.py"))
    codes = set(re.findall(r'(?:BadFile|JobFailed)\(\s*"([a-z-]+)"', source))
    assert len(codes) > 20
    assert {f"failed.{code}" for code in codes} <= texts_of("fr").keys()
