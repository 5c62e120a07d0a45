"""Live pages: they end with the session of who looks, and look after it together."""

import asyncio
import time

import httpx
from fastapi import FastAPI

from app.accounts import Role, end_sessions
from app.platform.db import Database
from tests.conftest import Caller
from tests.desk import objected
from tests.desk import register as register_all
from tests.people import let_in, signed_in
from tests.receivers import register, until
from tests.test_page_plans import statements

PAGES = 3


async def test_a_live_page_ends_with_its_session_and_all_pages_ask_together(
    app: FastAPI, admin: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    await register_all(admin)
    await register(admin)
    opt_out = (await objected(admin))["id"]
    users, looking = [], []
    for login in ("stays", "goes"):
        users.append(await let_in(database, login, Role.SUPERVISOR))
        browser = await caller()
        await signed_in(browser, login)
        path = f"/desk/opt-outs/{opt_out}/told"
        looking.append([asyncio.create_task(browser.get(path)) for _ in range(PAGES)])
    (staying, going), streams = looking, app.state.streams
    await until(lambda: streams.open == 2 * PAGES)
    with statements() as noted:
        begun = time.monotonic()
        async with database.transaction() as session:
            await end_sessions(session, users[1].id)
        # They would go on for a minute.
        ended, _ = await asyncio.wait(going, timeout=30)
        took = time.monotonic() - begun
    assert len(ended) == PAGES
    assert not any(one.done() for one in staying)
    asked = [one for one, _ in noted if "FROM sessions" in one]
    assert 1 <= len(asked) <= 2 + took / 2, "each page asked by itself"
    streams.end()
    assert {answer.status_code for answer in await asyncio.gather(*staying, *going)} == {200}
