"""People who sign in, for tests: invited as the command does, signed in as a browser does."""

import re
from datetime import datetime
from html import unescape
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pyotp

from app.accounts import (
    NewUser,
    Role,
    User,
    begin_session,
    create_user,
    find_user,
    hash_password,
    issue_ticket,
    redeem_ticket,
)
from app.parties import find_channel, party_number
from app.platform.clock import now
from app.platform.db import Database

PASSWORD = "correct horse battery staple"  # noqa: S105 - of a person who does not exist

CHANNEL = "front-desk"


async def open_channel(admin: httpx.AsyncClient, slug: str = CHANNEL) -> None:
    """Open a channel for people to record as, and its party."""
    party = {"slug": slug, "name": "The party", "kind": "department", "country": "FR"}
    channel = {"slug": slug, "name": "The channel", "kind": "customer_service", "party": slug}
    for path, body in (
        ("/v1/parties", {**party, "contact_email": "privacy@example.com"}),
        ("/v1/channels", channel),
    ):
        answer = await admin.post(path, json=body)
        assert answer.status_code == 201, answer.text


async def invited(
    database: Database,
    login: str,
    role: Role = Role.AGENT,
    channel: str | None = None,
    party: str | None = None,
) -> tuple[User, str]:
    """Let somebody in who has not chosen a password yet: them, and their ticket."""
    at = now()
    async with database.transaction() as session:
        number = None if channel is None else (await find_channel(session, channel)).id
        of_party = None if party is None else await party_number(session, party)
        new = NewUser(login, f"Test {login}", role, number, of_party)
        user = await create_user(session, new, at=at)
        return user, await issue_ticket(session, user.id, at=at)


async def let_in(
    database: Database,
    login: str,
    role: Role = Role.AGENT,
    channel: str | None = None,
    party: str | None = None,
) -> User:
    """Let somebody in who has chosen ``PASSWORD``."""
    user, ticket = await invited(database, login, role, channel, party)
    hashed = await hash_password(PASSWORD)
    async with database.transaction() as session:
        await redeem_ticket(session, ticket, hashed, at=now())
        return await find_user(session, user.id)


async def session_of(database: Database, login: str, role: Role) -> str:
    """Let somebody in and sign them in, second factor and all: the token of their session."""
    user = await let_in(database, login, role)
    async with database.transaction() as session:
        return await begin_session(session, user.id, whole=True, browser="a test", at=now())


def token_in(page: httpx.Response) -> str:
    """Find the token that the forms of a page carry."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


def words_in(page: httpx.Response) -> str:
    """Read a page as a person does: its text without the marks."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def submit(
    browser: httpx.AsyncClient, page: str, action: str | None = None, **fields: str
) -> httpx.Response:
    """Load a page and send its form, as it is meant."""
    shown = await browser.get(page)
    return await browser.post(action or page, data={"token": token_in(shown), **fields})


async def signed_in(
    browser: httpx.AsyncClient, login: str, password: str = PASSWORD
) -> httpx.Response:
    """Give login and password."""
    return await submit(browser, "/sign-in", login=login, password=password)


async def enrolled(browser: httpx.AsyncClient, at: datetime | None = None) -> pyotp.TOTP:
    """Set up the second factor that the sign-in asks for, and pass it: the app that makes codes."""
    shown = await browser.get("/sign-in/code")
    found = re.search(r"<code>([A-Z2-7]+)</code>", shown.text)
    assert found, shown.text
    phone = pyotp.TOTP(found[1])
    passed = await browser.post(
        "/sign-in/code", data={"token": token_in(shown), "code": phone.at(at or now())}
    )
    assert passed.status_code == 303, passed.text
    return phone


async def record(browser: httpx.AsyncClient, who: str, **fields: str) -> UUID:
    """Record an objection at the desk, as the page without scripts does it: the opt-out."""
    found = await submit(browser, "/desk", "/desk/look-up", who=who)
    said = {"token": token_in(found), "who": who, "said": "all", **fields}
    return UUID(leads_to(await browser.post("/desk/opt-outs", data=said)).rpartition("/")[2])


def leads_to(answer: httpx.Response) -> str:
    """Tell where an answer sends the browser."""
    assert answer.status_code == 303, answer.text
    return urlsplit(answer.headers["location"]).path
