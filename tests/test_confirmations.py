"""What is asked without proof, and proven by answering a mail; switches brand by brand."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from app.identifiers import Identifier
from app.intake import Confirmation, seal_confirmation
from app.journal import EVERY_BRAND, Kind
from app.platform.clock import now
from app.platform.db import Database
from app.platform.vault import Vault
from app.settings import Settings
from tests.conftest import SEALING_KEYS, Caller
from tests.mailing import MailServer, mail_server, mailed_by, sent
from tests.people import CHANNEL, PASSWORD, leads_to, let_in, signed_in, submit, words_in
from tests.test_people import EMAIL, blocked, choose, link, person

__all__ = ["person"]

VAULT = Vault.parse(SEALING_KEYS)


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    """Let mail be sent; each test has a server of its own."""
    return mailed_by(settings, 0, public_url="https://optout.example.com")


@pytest.fixture
async def mailbox() -> AsyncIterator[MailServer]:
    """Listen for mail."""
    async with mail_server() as listening:
        yield listening


async def link_mailed(database: Database, mailbox: MailServer, to: str = EMAIL) -> str:
    """Send what waits, and find the path of the link in the last mail."""
    mails = await sent(database, mailbox)
    assert mails, "no mail came"
    assert mails[-1]["To"] == to
    found = re.search(r"https://optout\.example\.com(/\S+)", mails[-1].get_content())
    assert found
    return found[1]


async def objected(admin: httpx.AsyncClient, **given: object) -> None:
    """Record, by a channel, that the address is not to be written to."""
    body = {"identifiers": [{"kind": "email", "value": EMAIL}], "channel": CHANNEL, **given}
    answer = await admin.post("/v1/opt-outs", json=body)
    assert answer.status_code == 201, answer.text


async def test_what_others_recorded_is_lifted_by_answering_a_mail(
    admin: httpx.AsyncClient,
    person: httpx.AsyncClient,
    agent: httpx.AsyncClient,
    database: Database,
    mailbox: MailServer,
) -> None:
    del agent  # its channel is there now
    await objected(admin)
    page, _ = await link(admin)
    assert "mail me a link" in words_in(await person.get(page))
    asked = await submit(person, page, f"{page}/confirm", brand="")
    assert "Look into your mailbox." in words_in(await person.get(leads_to(asked)))
    path = await link_mailed(database, mailbox)
    assert EMAIL not in path
    shown = await person.get(path)
    assert "for every brand" in words_in(shown)
    assert await blocked(admin) == {"email"}
    done = await submit(person, path)
    assert "This address may be written to again." in words_in(done)
    assert await blocked(admin) == set()


async def test_an_answer_after_half_an_hour_or_a_newer_objection_changes_nothing(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, agent: httpx.AsyncClient
) -> None:
    del agent
    address, at = Identifier(Kind.EMAIL, EMAIL), now()
    await objected(admin)

    def mailed(minutes: int) -> str:
        asked = Confirmation(at - timedelta(minutes=minutes), address, EVERY_BRAND)
        return f"/c/{seal_confirmation(VAULT, asked)}"

    late = await person.get(mailed(31))
    assert late.status_code == 404
    assert "It is too old." in words_in(late)
    refused = await submit(person, mailed(29))  # asked before the objection was made
    assert refused.status_code == 409
    assert "Your latest word counts" in words_in(refused)
    assert await blocked(admin) == {"email"}


async def test_a_link_of_another_purpose_confirms_nothing(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    for path in await link(admin):
        assert (await person.get(f"/c/{path[3:]}")).status_code == 404


async def test_an_address_is_not_mailed_more_than_three_times_an_hour(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, database: Database, mailbox: MailServer
) -> None:
    page, _ = await link(admin)
    answers = [await submit(person, page, f"{page}/confirm", brand="") for _ in range(5)]
    assert {leads_to(answer) for answer in answers} == {f"{page}/asked"}
    assert len(await sent(database, mailbox)) == 3


async def test_an_objection_of_the_open_form_is_confirmed_by_its_address(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, database: Database, mailbox: MailServer
) -> None:
    begun = now()
    person.headers["accept-language"] = "fr"
    for _ in range(2):
        done = await submit(person, "/objection", who=EMAIL, scope="email")
    assert "elle reçoit un lien" in words_in(done)
    assert await blocked(admin) == {"email"}
    path = await link_mailed(database, mailbox)
    assert len(mailbox.taken) == 1
    assert mailbox.taken[0]["Subject"] == "À confirmer\u00a0: ne me contactez plus"
    await person.get(path)
    assert await grounds(database) == [False, False]
    assert "est confirmé." in words_in(await submit(person, path))
    assert await grounds(database) == [True, False]
    # What is proven is no prank: voiding an interval passes over it.
    asked = {"since": begun.isoformat(), "until": now().isoformat(), "reason": "a prank"}
    voided = await admin.post("/v1/unverified-opt-outs/void", json=asked)
    assert voided.json()["voided"] == 1
    assert await blocked(admin) == {"email"}


async def grounds(database: Database) -> list[bool]:
    """List which grounds are proven, in the order in which they were laid."""
    async with database.reading() as session:
        return list(await session.scalars(text("SELECT verified FROM grounds ORDER BY id")))


async def test_what_cannot_be_written_to_is_blocked_all_the_same(
    person: httpx.AsyncClient, database: Database, mailbox: MailServer
) -> None:
    for who in ("06 39 98 00 31", '"a b"@example.com', "a@example.com,b@example.com"):
        answer = await submit(person, "/objection", who=who, scope="all")
        assert "It counts from this moment." in words_in(answer)
    assert await sent(database, mailbox) == []


async def test_a_lost_password_is_reset_by_mail_and_nobody_learns_who_there_is(
    browser: httpx.AsyncClient, caller: Caller, database: Database, mailbox: MailServer
) -> None:
    await let_in(database, "boss@example.com", channel=CHANNEL)
    signed = await caller()
    await signed_in(signed, "boss@example.com")
    known, unknown = [
        await submit(browser, "/sign-in/lost", login=login)
        for login in ("Boss@example.com", "nobody@example.com")
    ]
    assert known.text == unknown.text
    assert (known.status_code, unknown.status_code) == (200, 200)
    path = await link_mailed(database, mailbox, "boss@example.com")
    assert len(mailbox.taken) == 1
    new = "five quiet herons wading"
    assert leads_to(await submit(browser, path, password=new)) == "/sign-in"
    assert leads_to(await signed.get("/desk")) == "/sign-in"
    assert (await signed_in(browser, "boss@example.com", PASSWORD)).status_code == 401
    assert leads_to(await signed_in(browser, "boss@example.com", new)) == "/desk"


async def test_resets_are_limited_by_login_and_by_place(
    browser: httpx.AsyncClient, database: Database, mailbox: MailServer
) -> None:
    await let_in(database, "boss@example.com", channel=CHANNEL)
    answers = [await submit(browser, "/sign-in/lost", login="boss@example.com") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [*[200] * 10, 429]
    assert len(await sent(database, mailbox)) == 3


async def test_nothing_is_switched_on_that_the_link_s_every_contact_point_does_not_show(
    admin: httpx.AsyncClient, person: httpx.AsyncClient, agent: httpx.AsyncClient
) -> None:
    del agent
    first, second = ({"kind": "phone", "value": f"+3363998003{digit}"} for digit in (1, 2))
    told = {"identifiers": [first], "channel": CHANNEL}
    assert (await admin.post("/v1/opt-outs", json=told)).status_code == 201
    page, _ = await link(admin, identifiers=[first, second])
    assert "checked" in re.findall(r'name="may-voice:"[^>]*', (await person.get(page)).text)[0]
    await choose(person, page)
    asked = {"phone": second["value"], "medium": "voice"}
    assert (await admin.post("/v1/checks", json=asked)).json()["decision"] == "block"


async def test_a_link_for_every_brand_has_switches_for_each(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    for slug in ("pretzel", "sauerkraut"):
        await admin.post("/v1/brands", json={"slug": slug, "name": slug.title()})
    page, _ = await link(admin, identifiers=[{"kind": "email", "value": EMAIL}])
    everything = dict.fromkeys(
        re.findall(r'name="((?:shown|may-email):[a-z]*)"', (await person.get(page)).text), "on"
    )
    assert len(everything) == 6
    await submit(person, page, **without(everything, "may-email:pretzel"))
    assert await decisions(admin) == {"pretzel": "block", "sauerkraut": "allow"}
    await submit(person, page, **without(everything, "may-email:"))
    assert await decisions(admin) == {"pretzel": "block", "sauerkraut": "block"}
    # While all are off, those of the brands cannot be switched; with all on again, none is refused.
    await submit(person, page, **{"shown:": "1", "may-email:": "on", "shown:sauerkraut": "1"})
    assert await decisions(admin) == {"pretzel": "allow", "sauerkraut": "allow"}


def without(fields: dict[str, str], name: str) -> dict[str, str]:
    """Leave one field out."""
    return {one: value for one, value in fields.items() if one != name}


async def decisions(admin: httpx.AsyncClient) -> dict[str, str]:
    """Ask for both brands."""
    return {
        brand: (
            await admin.post("/v1/checks", json={"email": EMAIL, "medium": "email", "brand": brand})
        ).json()["decision"]
        for brand in ("pretzel", "sauerkraut")
    }


async def test_stop_everything_is_taken_back_where_it_was_said(
    admin: httpx.AsyncClient, person: httpx.AsyncClient
) -> None:
    await admin.post("/v1/brands", json={"slug": "sauerkraut", "name": "Sauerkraut"})
    page, _ = await link(admin, brand="sauerkraut", media=["email"])
    assert "Every brand" not in words_in(await person.get(page))
    await submit(person, page, stop="all")
    shown = await person.get(page)
    assert "stopped for every brand" in words_in(shown)
    names = re.findall(r'name="((?:shown|may-[a-z]+):)"', shown.text)
    assert names == ["shown:", "may-voice:", "may-sms:", "may-messaging:", "may-email:"]
    await submit(person, page, **dict.fromkeys(names, "on"))
    assert await blocked(admin) == set()


async def test_a_path_in_a_mail_is_under_the_public_address(
    person: httpx.AsyncClient, database: Database, mailbox: MailServer
) -> None:
    await submit(person, "/objection", who=EMAIL, scope="email")
    await sent(database, mailbox)
    (address,) = re.findall(r"https?://\S+", mailbox.taken[0].get_content())
    assert urlsplit(address).netloc == "optout.example.com"
    assert all(len(line) <= 78 or "http" in line for line in mailbox.taken[0].get_content().split())
