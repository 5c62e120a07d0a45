"""A real Chromium before a real server: what every test of the pages can ask for."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # its gap
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from app.main import create_app
from app.parties import NewKey, create_key
from app.platform.clock import now
from app.platform.db import Database
from tests.receivers import hasty
from tests.servers import listening

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

PATIENCE = 20_000
"""Milliseconds to wait for what a page shows; a machine that does other work beside is slow."""

Open = Callable[..., Awaitable[Page]]

_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Start Debian's Chromium once; where there is none, only CI insists."""
    path = shutil.which("chromium")
    if path is None and not os.environ.get("CI"):
        pytest.skip("no chromium here: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path)
        yield browser
        await browser.close()


@pytest.fixture
async def site(database: Database) -> AsyncIterator[str]:
    """Serve the registry of the test over a socket: its address."""
    async with listening(create_app(hasty(database.settings))) as url:
        yield url


@pytest.fixture
async def admin_of_site(database: Database, site: str) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the served registry with an admin key."""
    async with database.transaction() as session:
        key = await create_key(session, NewKey("test", ["admin"]), actor="tests", at=now())
    headers = {"Authorization": f"Bearer {key.text}"}
    async with httpx.AsyncClient(base_url=site, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
async def open_page(chromium: Browser, site: str) -> AsyncIterator[Open]:
    """Hold a way to open a page of the site, each in a browser of its own.

    At the end none may have broken the content security policy, thrown, or written an error.
    """
    faults: list[str] = []
    async with AsyncExitStack() as stack:
        pages: list[Page] = []

        async def opened(path: str, *, language: str = "en-GB", **given: object) -> Page:
            context = await chromium.new_context(
                base_url=site,
                locale=language,
                timezone_id="Europe/Paris",
                **given,  # type: ignore[arg-type]  # each option has a type of its own
            )
            stack.push_async_callback(context.close)
            await context.add_init_script(_WATCH)
            page = await context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda said: _note(faults, said.type, said.text))
            pages.append(page)
            await page.goto(path)
            return page

        yield opened
        for page in pages:
            faults += await page.evaluate("window.violations")
    assert faults == []


def _note(faults: list[str], kind: str, said: str) -> None:
    # A page that refuses is no fault, nor is an answer that a test kept back: both are written to
    # the console.
    if kind == "error" and not said.startswith(_NO_FAULTS):
        faults.append(said)


_NO_FAULTS = ("Failed to load resource", "htmx: htmx:error: Failed to fetch")


_TOO_WIDE = """
document.documentElement.scrollWidth === document.documentElement.clientWidth ? []
: [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map((one) => one.outerHTML.slice(0, 200))
"""


async def follow(page: Page, link: Locator) -> None:
    """Click a link or button that leads to another page, and wait until that page is there.

    A click is over before the next page has come: what is read or filled in at once may be the page
    that was left.
    """
    async with page.expect_navigation():
        await link.click()


async def assert_accessible(page: Page) -> None:
    """See that axe finds nothing against WCAG 2.2 AA, once the page has its styles."""
    await page.wait_for_load_state()
    found = await Axe().run(page, options={"runOnly": WCAG})
    assert found.violations_count == 0, found.generate_report()


async def assert_fits(page: Page) -> None:
    """See that nobody has to scroll sideways, once the page has its styles."""
    await page.wait_for_load_state()
    wide = await page.evaluate(_TOO_WIDE)
    assert wide == []
