"""The pages about the law in a real Chromium: accessible, in both languages, at every size."""

import httpx
import pytest
from playwright.async_api import Page, expect

from app.platform.clock import now
from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, assert_fits
from tests.browser.test_desk import look_up, sign_in
from tests.people import CHANNEL, let_in, open_channel
from tests.test_consents import CONSENT, CONTRACT, PROFILE
from tests.test_parties import PARTY, made

NUMBER = "06 39 98 00 01"


@pytest.fixture
async def registry(admin_of_site: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """Fill the registry with an agent, and with a person who agreed to much and to little."""
    admin = admin_of_site
    await open_channel(admin)
    await let_in(database, "agent-42", channel=CHANNEL)
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/brands", {"slug": "sauerkraut", "name": "Maison Sauerkraut"})
    fresh = CONSENT | {"given_at": "2026-10-01T10:00:00+02:00", "slots": []}
    await made(admin, "/v1/consents", fresh)
    await made(admin, "/v1/consents", fresh | {"object": "garden ovens", "mentions": ["who"]})
    await made(admin, "/v1/contracts", CONTRACT | {"object": "tableware"})
    await made(admin, "/v1/profiles", PROFILE | {"audience": "consumer", "fits": []})
    await made(
        admin,
        "/v1/attempts",
        {
            "identifier": CONSENT["identifier"],
            "medium": "voice",
            "attempted_at": now().isoformat(),
            "brand": "sauerkraut",
        },
    )
    return admin


async def assert_good(page: Page) -> None:
    """See that a page serves everybody."""
    await assert_accessible(page)
    await assert_fits(page)


@pytest.mark.parametrize(
    ("scheme", "width", "language"), [("light", 1280, "en-GB"), ("dark", 320, "fr-FR")]
)
async def test_what_is_lawful_is_told_to_everybody(
    scheme: str, width: int, language: str, registry: httpx.AsyncClient, open_page: Open
) -> None:
    given = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page = await open_page("/desk", **given)
    await sign_in(page)
    await look_up(page, NUMBER)
    await page.get_by_text("What that rests on").click()
    await expect(page.get_by_text("Its record lacks")).to_be_visible()
    await assert_good(page)
    for path in ("/rules?country=FR", "/rules/hours?country=FR&year=2026"):
        await page.goto(path)
        await assert_good(page)
    people = [CONSENT["identifier"]]
    link = (await made(registry, "/v1/preference-links", {"identifiers": people})).json()
    address = link["url"].removeprefix("http://127.0.0.1:8000")
    page = await open_page(f"{address}/records", language=language, **given)
    await page.locator("summary").click()
    await assert_good(page)
    await page.get_by_role("button", name="cop").first.click()
    await page.wait_for_url("**/copy/*")
    await assert_good(page)
