"""Where whoever signs in comes to: the page they had asked for, and never one elsewhere."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp
import pytest
from fastapi import Request

from app.accounts import Role
from app.console.doors import landing
from app.platform.clock import now
from app.platform.db import Database
from tests.people import PASSWORD, leads_to, let_in, submit, token_in


async def test_whoever_signs_in_comes_to_the_page_they_had_asked_for(
    browser: httpx.AsyncClient, database: Database
) -> None:
    await let_in(database, "o", Role.OFFICER)
    asked = "/audit?action=key.created&since=2026-01-01"
    way = (await browser.get(asked)).headers["location"]
    half = await submit(browser, way, login="o", password=PASSWORD)
    shown = await browser.get(half.headers["location"])
    action = re.search(r'<form class="sheet stack" method="post" action="([^"]+)"', shown.text)
    assert action
    assert parse_qs(urlsplit(action[1]).query) == {"next": [asked]}
    code = pyotp.TOTP(re.findall(r"<code>([A-Z2-7]+)</code>", shown.text)[0]).at(now())
    passed = await browser.post(action[1], data={"token": token_in(shown), "code": code})
    assert passed.headers["location"] == asked
    assert leads_to(await browser.get("/sign-in")) == "/overview"
    home = await browser.get("/", headers={"accept": "text/html"})
    assert leads_to(home) == "/overview"


@pytest.mark.parametrize(
    ("asked", "role", "page"),
    [
        ("", Role.SUPERVISOR, "/desk"),
        ("", Role.ADMIN, "/overview"),
        ("/desk/opt-outs/01a2?lang=fr", Role.OFFICER, "/desk/opt-outs/01a2?lang=fr"),
        ("/keys", Role.ADMIN, "/keys"),
        ("/keys", Role.OFFICER, "/overview"),
        ("/sign-in?next=/desk", Role.ADMIN, "/overview"),
        *(
            (elsewhere, Role.AGENT, "/desk")
            for elsewhere in (
                *("https://example.com/desk", "//example.com/desk", "///example.com", "desk"),
                *("/\\example.com", "\\\\example.com", "/\t/example.com", "/%2f/example.com"),
                *("/desk\r\nset-cookie: a=b", "/desk\n", " /desk", "javascript:alert(1)"),
                "/desk" * 300,
            )
        ),
    ],
)
def test_nobody_is_sent_elsewhere_after_the_sign_in(asked: str, role: Role, page: str) -> None:
    query = urlencode({"next": asked}).encode()
    assert landing(Request({"type": "http", "query_string": query}), role) == page


async def test_a_live_part_that_is_let_in_no_more_comes_back_to_its_page(
    browser: httpx.AsyncClient,
) -> None:
    given = {"hx-request": "true", "hx-current-url": "http://test/overview?by=reason"}
    out = await browser.get("/overview/now", headers=given)
    assert out.headers["hx-redirect"] == "/sign-in?next=%2Foverview%3Fby%3Dreason"
