"""What an open page says while the registry does not answer, and that it goes on by itself."""

import httpx
from playwright.async_api import Page, Route, expect

from app.accounts import Role
from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, follow
from tests.desk import CHANNELS, objected
from tests.desk import register as register_all
from tests.people import session_of
from tests.receivers import register


async def entered(open_page: Open, database: Database, path: str) -> Page:
    """Open a page as an administrator, with a clock that the test moves on."""
    page = await open_page("/sign-in")
    await page.clock.install()
    token = await session_of(database, f"admin-{id(page)}", Role.ADMIN)
    await page.context.add_cookies(
        [{"name": "optout_session", "value": token, "url": page.url.removesuffix("/sign-in")}]
    )
    await page.goto(path)
    return page


async def unanswered(route: Route) -> None:
    """Answer as a registry does whose database is gone."""
    await route.fulfill(status=503, content_type="text/html", body="<p>gone</p>")


async def cut(route: Route) -> None:
    """Answer as a host does that is not there."""
    await route.abort()


async def test_what_was_true_is_not_shown_as_true_while_nothing_is_heard(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    await register_all(admin_of_site)
    await register(admin_of_site)
    page = await entered(open_page, database, "/overview")
    stale, told = page.locator("#stale"), page.get_by_text("everybody has been told")
    await expect(told).to_be_visible()
    for lost in (unanswered, cut):
        await page.route("**/overview/now", lost)
        await page.clock.run_for(6_000)
        await expect(stale).to_contain_text("the registry does not answer")
        await expect(stale).to_be_visible()
        await expect(told).to_be_hidden()
        await assert_accessible(page)
        await page.unroute("**/overview/now")
        await page.clock.run_for(6_000)
        await expect(stale).to_be_hidden()
        await expect(told).to_be_visible()


async def test_a_live_page_that_could_not_begin_begins_by_itself(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    await register_all(admin_of_site)
    await register(admin_of_site)
    opt_out = (await objected(admin_of_site))["id"]
    page = await entered(open_page, database, "/account")
    for lost in (unanswered, cut):
        await page.route("**/told", lost)
        await page.goto(f"/desk/opt-outs/{opt_out}")
        await expect(page.locator("#stale")).to_be_visible()
        await page.unroute("**/told")
        async with page.expect_response("**/told") as begun:
            await page.clock.run_for(3_000)
        assert (await begun.value).status == 200
        await expect(page.locator("#stale")).to_be_hidden()


async def test_a_form_that_nobody_answers_stays_with_what_was_typed(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    del admin_of_site  # which makes the registry
    page = await entered(open_page, database, "/brands/new")
    name, busy = page.get_by_label("Name", exact=True), page.locator("#busy")
    await name.fill("Choucroute")
    await page.route("**/icon.svg", cut)
    await name.press("Enter")
    await expect(busy).to_have_text("No answer. Nothing is confirmed: try again.")
    await expect(name).to_have_value("Choucroute")
    await page.unroute("**/icon.svg")
    await follow(page, page.get_by_role("main").get_by_role("button"))
    await expect(page.get_by_text("Choucroute")).to_be_visible()


async def test_the_keyboard_stays_where_it_is_while_a_part_changes_and_escape_folds(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    await register_all(admin_of_site)
    sent = await admin_of_site.post(
        "/v1/imports",
        params={"channel": CHANNELS[0]},
        content=b"phone\n06 39 98 00 31\n",
        headers={"content-type": "text/csv"},
    )
    page = await entered(open_page, database, f"/files/imports/{sent.json()['id']}")
    before = await page.locator("#job h2").element_handle()
    async with page.expect_response("**/files/imports/*") as asked:
        await page.clock.run_for(1_500)
    await (await asked.value).finished()
    await page.clock.run_for(1_500)
    assert await before.evaluate("(one) => one.isConnected")
    summary = page.locator("details.apart > summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Who takes part")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(summary).to_be_focused()
    await expect(page.get_by_role("link", name="Who takes part")).to_be_hidden()
