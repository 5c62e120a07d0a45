"""The officer's view in a real Chromium: who has not been told, and what one does about it."""

import re

import httpx
import pytest
from playwright.async_api import Page, expect

from app.accounts import Role, list_users
from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, assert_fits, follow
from tests.people import session_of
from tests.receivers import hasty, receiver, register, saying, working
from tests.signers import Basic
from tests.test_parties import made

PAGES = (
    *(
        "/overview",
        "/databases",
        "/databases/dead",
        "/databases/new",
        "/opt-outs",
        "/parties",
        "/channels",
    ),
    *("/parties/new", "/channels/new", "/brands/new", "/keys", "/keys/new", "/users", "/users/new"),
    *("/audit", "/settings", "/doors", "/doors/desk"),
)


async def entered(open_page: Open, database: Database, path: str, **given: object) -> Page:
    """Open a page as an administrator who is signed in already."""
    page = await open_page("/sign-in", **given)
    token = await session_of(database, f"admin-{id(page)}", Role.ADMIN)
    await page.context.add_cookies(
        [{"name": "optout_session", "value": token, "url": page.url.removesuffix("/sign-in")}]
    )
    await page.goto(path)
    return page


async def test_a_database_is_registered_by_the_form_fails_and_is_healed_by_try_now(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    party = {"slug": "sahel", "name": "Sahel Calls", "kind": "subcontractor", "country": "SN"}
    await made(admin_of_site, "/v1/parties", {**party, "contact_email": "p@example.com"})
    channel = {"slug": "desk", "name": "Desk", "kind": "other", "party": "sahel"}
    await made(admin_of_site, "/v1/channels", channel)
    async with receiver(saying(200), otherwise=saying(503)) as dialler:
        page = await entered(open_page, database, "/databases/new")
        await assert_accessible(page)
        await page.get_by_label("Name", exact=True).fill("Dialler Dakar")
        await page.get_by_label("Address of the webhook").fill(dialler.url)
        await page.get_by_role("button", name="Register it").click()
        await expect(page.get_by_text("Nothing may be sent there")).to_be_visible()
        await assert_accessible(page)
        await page.get_by_role("radio", name="Our networks").check()
        await page.get_by_role("button", name="Register it").click()
        await expect(page.get_by_text("whsec_")).to_be_visible()
        await assert_accessible(page)
        await page.get_by_role("button", name="Send a test ping").click()
        await expect(page.get_by_text("It answered 200 within")).to_be_visible()
        assert dialler.told[0].document["type"] == "ping"
        async with working(hasty(database.settings)):
            phone = {"kind": "phone", "value": "06 39 98 00 31"}
            body = {"identifiers": [phone], "channel": "desk"}
            await made(admin_of_site, "/v1/opt-outs", body)
            await dialler.heard(5)
            await page.goto("/overview")
            await expect(page.get_by_text("the database answered 503")).to_be_visible()
            await assert_accessible(page)
            dialler.otherwise = saying(200)
            await page.get_by_role("button", name="Try now Dialler Dakar").click()
            await expect(page.get_by_text("everybody has been told")).to_be_visible()
        await page.goto("/databases/dialler-dakar")
        await assert_accessible(page)


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), (1280, "dark")], ids=["narrow", "dark"]
)
async def test_the_officer_s_pages_fit_and_are_accessible_in_french(
    width: int,
    scheme: str,
    admin_of_site: httpx.AsyncClient,
    open_page: Open,
    database: Database,
) -> None:
    await register(admin_of_site, "http://127.0.0.1:9/", "dead", name="Morte " * 10)
    channel = {"slug": "desk", "name": "Le poste", "kind": "other", "party": "p"}
    inbound = {"dialect": "mailjet", "secret": Basic.secret, "options": {"media": ["email"]}}
    await made(admin_of_site, "/v1/channels", {**channel, "inbound": inbound})
    signed = Basic().sign([{"event": "unsub", "email": mail} for mail in ("jo@example.com", "?")])
    door = "/v1/inbound/mailjet/desk"
    await admin_of_site.post(door, content=signed.body, headers=signed.headers)
    body = {"identifiers": [{"kind": "phone", "value": "06 39 98 00 31"}], "channel": "desk"}
    opt_out = (await made(admin_of_site, "/v1/opt-outs", body)).json()["id"]
    page = await entered(
        open_page,
        database,
        "/overview",
        language="fr-FR",
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
    )
    async with database.reading() as session:
        users = [f"/users/{one.id}" for one in await list_users(session)]
    for path in (*PAGES, f"/opt-outs/{opt_out}", *users):
        await page.goto(path)
        await assert_accessible(page)
        await assert_fits(page)
    await page.goto("/keys/new")
    await page.locator("[name=name]").fill("Le composeur " * 5)
    await page.locator("[name='scopes.checks']").check()
    await page.locator("main form button").click()
    await expect(page.locator("#key")).to_have_text(re.compile("^optout_"))
    await assert_accessible(page)
    await assert_fits(page)


async def test_filters_survive_a_reload(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    await register(admin_of_site)
    page = await entered(open_page, database, "/databases")
    await page.get_by_label("State").select_option("paused")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_text("Nothing fits these filters.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("State")).to_have_value("paused")
    await expect(page.get_by_text("Nothing fits these filters.")).to_be_visible()


async def test_what_is_typed_goes_along_into_the_other_language_and_a_secret_is_not_left(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    del admin_of_site  # which makes the registry
    page = await entered(open_page, database, "/keys/new")
    other = page.locator(".languages a")
    await page.get_by_label("Name", exact=True).fill("Collecte")
    await page.get_by_role("checkbox", name="checks").check()
    await follow(page, other.get_by_text("FR"))
    await expect(page.get_by_label("Nom", exact=True)).to_have_value("Collecte")
    await expect(page.get_by_role("checkbox", name="checks")).to_be_checked()
    await page.goto("/keys/new?lang=fr")
    await expect(page.get_by_label("Nom", exact=True)).to_have_value("")
    await page.get_by_label("Nom", exact=True).fill("Collecte")
    await page.get_by_role("checkbox", name="checks").check()
    await follow(page, page.get_by_role("button", name="Créer la clé"))
    await expect(page.get_by_role("heading", name="Collecte")).to_be_visible()
    await expect(other).to_have_count(0)
