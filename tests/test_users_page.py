"""The people who sign in as an administrator sees them, and for whom each may record."""

import re

import httpx
import pytest
from fastapi import FastAPI

from app.accounts import Role, find_user_by_login
from app.platform.db import Database
from tests.conftest import Caller
from tests.mailing import mail_server, mailed_by, sent
from tests.people import (
    CHANNEL,
    enrolled,
    let_in,
    open_channel,
    record,
    signed_in,
    submit,
    token_in,
    words_in,
)

NUMBER = "+33639980031"


@pytest.fixture
async def boss(browser: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """Sign an administrator in."""
    await let_in(database, "boss", Role.ADMIN)
    await signed_in(browser, "boss")
    await enrolled(browser)
    return browser


async def test_an_invitation_to_an_address_is_mailed_and_shown_to_nobody(
    boss: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    async with mail_server() as mailbox:
        app.state.settings = mailed_by(database.settings, mailbox.port)
        fields = {"name": "Agent 7", "login": "agent-7@example.com", "role": "agent"}
        made = await submit(boss, "/users/new", **fields, place=f"party:{CHANNEL}")
        assert "It goes to agent-7@example.com" in words_in(made)
        assert "/invited/" not in made.text
        (mail,) = await sent(database, mailbox)
    assert mail["To"] == "agent-7@example.com"
    assert re.search(r"/invited/[\w-]+", mail.get_content())
    assert "Agent 7 agent-7@example.com Agent invited The party" in words_in(
        await boss.get("/users")
    )


async def test_nobody_takes_their_own_role_or_account_away(
    boss: httpx.AsyncClient, database: Database
) -> None:
    async with database.reading() as session:
        page = f"/users/{(await find_user_by_login(session, 'boss')).id}"
    for act, fields in (("change", {"role": "agent"}), ("disable", {})):
        assert (await submit(boss, page, f"{page}/{act}", **fields)).status_code == 403
    assert (await boss.get("/users")).status_code == 200


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.OFFICER])
async def test_users_are_an_administrator_s_alone(
    role: Role, browser: httpx.AsyncClient, database: Database
) -> None:
    user = await let_in(database, "a", role)
    await signed_in(browser, "a")
    if role.needs_second_factor:
        await enrolled(browser)
    token = token_in(await browser.get("/account"))
    for answer in (
        await browser.get("/users"),
        await browser.get(f"/users/{user.id}"),
        await browser.post("/users/new", data={"token": token, "name": "B", "login": "b"}),
        await browser.post(f"/users/{user.id}/change", data={"token": token, "role": "admin"}),
    ):
        assert answer.status_code == 403
        assert "This page is for another role." in words_in(answer)


async def test_somebody_of_a_party_sees_and_records_for_its_channels_alone(
    browser: httpx.AsyncClient, admin: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    await open_channel(admin, "elsewhere")
    await let_in(database, "here", party=CHANNEL)
    await let_in(database, "there", party="elsewhere")
    await signed_in(browser, "here")
    stranger = await caller()
    await signed_in(stranger, "there")
    found = await submit(browser, "/desk", "/desk/look-up", who=NUMBER)
    assert re.findall(r'<option value="([^"]+)"', found.text) == [CHANNEL]
    opt_out = await record(browser, NUMBER, channel=CHANNEL)
    assert "1 by you, 1 by all" in words_in(await browser.get("/desk"))
    assert "0 by you, 0 by all" in words_in(await stranger.get("/desk"))
    for path in (f"/desk/opt-outs/{opt_out}", f"/desk/opt-outs/{opt_out}/told"):
        assert (await browser.get(path)).status_code == 200
        assert (await stranger.get(path)).status_code == 404
    said = {"token": token_in(found), "who": NUMBER, "said": "all", "channel": "elsewhere"}
    assert (await browser.post("/desk/opt-outs", data=said)).status_code == 422
