"""Browsers of officers and administrators who are signed in, second factor and all."""

from collections.abc import Mapping

import httpx

from app.accounts import Role
from app.platform.db import Database
from tests.conftest import Caller
from tests.people import session_of

Browsers = Mapping[Role, httpx.AsyncClient]


async def browser_of(caller: Caller, database: Database, role: Role) -> httpx.AsyncClient:
    """Sign somebody of a role in, who reads English."""
    browser = await caller()
    browser.headers["accept-language"] = "en"
    browser.cookies.set("optout_session", await session_of(database, role.word, role))
    return browser
