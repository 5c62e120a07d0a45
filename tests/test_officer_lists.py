"""Lists of the officer's pages: what they are asked for stands in the address, and they keep it."""

import re
from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import text

from app.accounts import Role, disable_user
from app.platform.clock import now
from app.platform.db import Database
from tests.conftest import Caller
from tests.desk import objected
from tests.desk import register as register_all
from tests.doors import open_door
from tests.officers import browser_of
from tests.people import invited, let_in, words_in
from tests.receivers import register
from tests.signers import Basic
from tests.test_officer_files import send


@pytest.fixture
async def administrator(
    caller: Caller, admin: httpx.AsyncClient, database: Database
) -> httpx.AsyncClient:
    """Sign an administrator in, on a registry with something in each list."""
    await register_all(admin)
    await register(admin)
    await open_door(admin, "mailjet")
    await open_door(admin, "sendgrid", slug="unlocked", secret=None)
    for body in (
        {"name": "Key of Dakar", "scopes": ["opt-outs:write"], "channel": "dakar"},
        {"name": "Key of the CRM", "scopes": ["journal:read"], "database": "crm"},
    ):
        assert (await admin.post("/v1/keys", json=body)).status_code == 201
    await let_in(database, "working", channel="dakar")
    await invited(database, "awaited", Role.SUPERVISOR, party="p")
    ended = await let_in(database, "gone")
    async with database.transaction() as session:
        await disable_user(session, ended.id, at=now())
    return await browser_of(caller, database, Role.ADMIN)


PEOPLE = ("Test working", "Test awaited", "Test gone", "Test admin")
KEYS = ("Key of Dakar", "Key of the CRM")
DAKAR, WEB, MAILER, UNLOCKED = CHANNELS = tuple(
    f'channel={slug}"' for slug in ("dakar", "web", "mailer", "unlocked")
)
DOORS = ("mailjet", "sendgrid")
LISTS: tuple[tuple[str, dict[str, str], tuple[str, ...], set[str]], ...] = (
    ("/users", {"role": "supervisor"}, PEOPLE, {"Test awaited"}),
    ("/users", {"state": "active"}, PEOPLE, {"Test working", "Test admin"}),
    ("/users", {"state": "invited"}, PEOPLE, {"Test awaited"}),
    ("/users", {"state": "ended"}, PEOPLE, {"Test gone"}),
    ("/users", {"place": "channel:dakar"}, PEOPLE, {"Test working"}),
    ("/users", {"place": "party:p", "state": "invited"}, PEOPLE, {"Test awaited"}),
    ("/users", {"place": "any"}, PEOPLE, {"Test gone", "Test admin"}),
    ("/users", {"role": "agent", "state": "invited"}, PEOPLE, set()),
    ("/keys", {"scope": "journal:read"}, KEYS, {"Key of the CRM"}),
    ("/keys", {"bound": "channel:dakar", "state": "all"}, KEYS, {"Key of Dakar"}),
    ("/parties", {"kind": "supplier"}, ("privacy@",), set()),
    ("/parties", {"country": "FR"}, ("privacy@",), {"privacy@"}),
    ("/channels", {"kind": "email_provider"}, CHANNELS, {DAKAR, WEB}),
    ("/channels", {"party": "mailer"}, CHANNELS, {MAILER}),
    ("/channels", {"q": "DAK"}, CHANNELS, {DAKAR}),
    ("/doors", {"state": "closed"}, DOORS, {"sendgrid"}),
    ("/doors", {"state": "unheard"}, DOORS, {"mailjet"}),
    ("/reviews", {"state": "decided", "channel": "dakar"}, (), set()),
    ("/audit", {"action": "key.created"}, ("channel.created",), set()),
    ("/databases", {"party": "p"}, ("The CRM",), {"The CRM"}),
)


def kept(query: Mapping[str, str], page: str) -> bool:
    """Tell whether the filters of a page say what it was asked for."""
    return all(
        f'<option value="{value}" selected>' in page or f'name="{name}" value="{value}"' in page
        for name, value in query.items()
    )


async def test_each_list_is_cut_by_its_filters_which_survive_a_reload(
    administrator: httpx.AsyncClient,
) -> None:
    for path, query, names, wanted in LISTS:
        page = await administrator.get(path, params=query)
        rows = page.text.partition("<tbody>")[2]
        assert {name for name in names if name in rows} == wanted, (path, query)
        assert kept(query, page.text), (path, query)


async def test_a_channel_tells_when_it_was_last_used_and_by_what(
    administrator: httpx.AsyncClient, admin: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    async def uses() -> dict[str, str]:
        page = (await administrator.get("/channels")).text
        rows = page.partition("<tbody>")[2].split("<tr>")[1:]
        asked = re.compile(r"<code[^>]*>([\w-]+)</code>.*Last used\">(.*?)</td>", re.DOTALL)
        found = (asked.search(row) for row in rows)
        return {one[1]: re.sub(r"<[^>]+>", "", one[2]) for one in found if one}

    unused = dict.fromkeys(("dakar", "web", "mailer", "unlocked"), "never")
    assert await uses() == unused
    await objected(admin)
    assert (await send(administrator, "imports", channel="web")).status_code == 303
    signed = Basic().sign([{"event": "open", "email": "jo@example.com"}])
    await client.post("/v1/inbound/mailjet/mailer", content=signed.body, headers=signed.headers)
    now_used = {"dakar": "an opt-out", "web": "a file", "mailer": "the provider"}
    assert {slug: said.rpartition(", ")[2] for slug, said in (await uses()).items()} == (
        unused | now_used
    )


async def test_files_are_listed_by_state(
    administrator: httpx.AsyncClient, database: Database
) -> None:
    for what in ("imports", "scrubs"):
        assert (await send(administrator, what)).status_code == 303

    async def listed(what: str, **query: str) -> bool:
        page = await administrator.get("/files", params={"what": what, **query})
        assert kept({"what": what, **query}, page.text)
        assert ("Nothing fits" in words_in(page)) != ("<tbody>" in page.text)
        return "<tbody>" in page.text

    for state, as_of_now in (("queued", "queued"), ("failed", "queued")):
        if state != as_of_now:
            async with database.transaction() as session:
                await session.execute(text("UPDATE jobs SET state = :state"), {"state": state})
        for what in ("imports", "scrubs"):
            for asked in ("queued", "running", "done", "failed"):
                assert await listed(what, state=asked) == (asked == state), (what, asked)
    assert not await listed("imports", state="failed", channel="web")
    async with database.transaction() as session:
        await session.execute(text("UPDATE imports SET voided_at = now()"))
    assert await listed("imports", state="voided")
    assert not await listed("imports", state="failed")
