"""The desk in a real Chromium: keys, live propagation, both languages, every size."""

import asyncio

import httpx
import pyotp
import pytest
from playwright.async_api import Page, Route, expect

from app.accounts import Role
from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, assert_fits, follow
from tests.people import CHANNEL, PASSWORD, invited, let_in, open_channel
from tests.receivers import hasty, receiver, register, saying, working

NUMBER = "06 39 98 00 31"


@pytest.fixture
async def registry(admin_of_site: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """Fill the registry with a channel and an agent: a client with an admin key."""
    await open_channel(admin_of_site)
    await let_in(database, "agent-42", channel=CHANNEL)
    return admin_of_site


async def sign_in(page: Page, login: str = "agent-42") -> None:
    """Type login and password."""
    await page.get_by_label("Login").fill(login)
    await page.get_by_label("Password").fill(PASSWORD)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def look_up(page: Page, who: str) -> None:
    """Type a person where the focus is put, and wait for the answer."""
    await expect(page.locator("#who")).to_be_focused()
    await page.keyboard.type(who)
    await page.keyboard.press("Enter")
    await expect(page.locator("[value=all]")).to_be_focused()


async def test_an_objection_is_recorded_without_a_mouse_and_told_while_one_looks(
    registry: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    async with receiver() as dialler, receiver(saying(503), otherwise=saying(200)) as survey:
        await register(registry, dialler.url, "dialler", name="Dialler Dakar")
        await register(registry, survey.url, "survey", name="Survey panel")
        page = await open_page("/desk")
        await sign_in(page)
        await expect(page.locator("#who")).to_be_focused()
        await look_up(page, NUMBER)
        await expect(page.get_by_text("+33 6 39 98 00 31 · France")).to_be_visible()
        await page.keyboard.press("3")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/desk/opt-outs/*")
        await expect(page.get_by_text("Do not contact")).to_be_visible()
        async with working(hasty(database.settings)):
            await expect(page.get_by_role("heading", name="All 2 databases know")).to_be_visible()
        checked = await registry.post("/v1/checks", json={"phone": NUMBER, "medium": "voice"})
        assert checked.json()["decision"] == "block"
        # The page that follows hears keys once it has loaded.
        async with page.expect_navigation():
            await page.keyboard.press("z")
        await expect(page.get_by_text("Taken back").first).to_be_visible()
        await page.keyboard.press("/")
        await expect(page.locator("#who")).to_be_focused()
        assert "0639980031" not in page.url


@pytest.mark.parametrize("last", ["htmx.min.js", "hx-sse.min.js"])
async def test_a_page_is_live_whichever_of_its_scripts_comes_last(
    last: str, registry: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    async with receiver() as dialler:
        await register(registry, dialler.url, "dialler")
        page = await open_page("/desk")
        await sign_in(page)
        await look_up(page, NUMBER)

        async def late(route: Route) -> None:
            await asyncio.sleep(0.5)
            await route.continue_()

        await page.route(f"**/{last}", late)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/desk/opt-outs/*")
        async with working(hasty(database.settings)):
            await expect(page.get_by_role("heading", name="The one database knows")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_desk_in_every_state_is_accessible(
    scheme: str, registry: httpx.AsyncClient, open_page: Open
) -> None:
    await register(registry, "http://127.0.0.1:9/", "dead", name="Dead " * 20)
    page = await open_page("/sign-in", color_scheme=scheme)
    await assert_accessible(page)
    await sign_in(page)
    await assert_accessible(page)
    await look_up(page, NUMBER)
    await assert_accessible(page)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/opt-outs/*")
    await assert_accessible(page)
    await page.keyboard.press("/")
    await look_up(page, NUMBER)
    await assert_accessible(page)
    for path in ("/account", "/users", "/sign-in/lost"):
        await page.goto(path)
        await assert_accessible(page)


@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (640, 2), (1920, 1)])
async def test_the_desk_fits_every_screen_in_french(
    width: int, zoom: int, registry: httpx.AsyncClient, open_page: Open
) -> None:
    # A screen of 1280 pixels at 200 % is one of 640, each twice as large (WCAG 1.4.4, 1.4.10).
    await register(registry, "http://127.0.0.1:9/", "dead", name="Base de données " * 7)
    page = await open_page(
        "/sign-in",
        language="fr-FR",
        viewport={"width": width, "height": 800},
        device_scale_factor=zoom,
    )
    await assert_fits(page)
    await page.get_by_label("Identifiant").fill("agent-42")
    await page.get_by_label("Mot de passe").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="demandé la personne")).to_be_visible()
    await look_up(page, "camille@example.com")
    await expect(page.get_by_text("Aucune opposition enregistrée").first).to_be_visible()
    await assert_fits(page)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/opt-outs/*")
    await assert_fits(page)
    await page.goto("/account")
    await assert_fits(page)


async def test_what_a_look_up_found_is_said_aloud(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    page = await open_page("/desk")
    await sign_in(page)
    await look_up(page, NUMBER)
    await expect(page.get_by_role("status")).to_have_text("No objection on record")
    await expect(page.locator("[value=all]")).to_be_focused()


async def test_the_desk_works_without_scripts(registry: httpx.AsyncClient, open_page: Open) -> None:
    page = await open_page("/desk", java_script_enabled=False)
    await page.get_by_label("Login").fill("agent-42")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator("#who").fill(NUMBER)
    await page.keyboard.press("Enter")
    await page.get_by_role("radio", name="No more calls").check()
    await page.get_by_role("button", name="Record").click()
    await page.wait_for_url("**/desk/opt-outs/*")
    checked = await registry.post("/v1/checks", json={"phone": NUMBER, "medium": "voice"})
    assert checked.json()["decision"] == "block"


async def test_an_officer_sets_up_a_second_factor_and_is_let_in(
    registry: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    del registry
    _, ticket = await invited(database, "officer", Role.OFFICER)
    page = await open_page(f"/invited/{ticket}")
    await assert_accessible(page)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await sign_in(page, "officer")
    await expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
    await assert_accessible(page)
    phone = pyotp.TOTP(await page.locator("code").inner_text())
    await page.get_by_label("Six-digit code").fill(phone.now())
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Has everybody been told?")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, "officer")
    await expect(page.get_by_role("heading", name="One more proof")).to_be_visible()
    await assert_accessible(page)


async def test_an_agent_who_tries_another_role_s_page_is_told_so(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    page = await open_page("/desk")
    await sign_in(page)
    for path in ("/users", "/overview"):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 403
        await expect(page.get_by_text("This page is for another role.")).to_be_visible()
        await expect(page.get_by_role("link", name="Users")).to_have_count(0)


async def test_a_first_visit_weighs_less_than_a_hundred_kilobytes(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    page = await open_page("/desk")
    await sign_in(page)
    await page.goto("/desk")
    cached = await transferred(page)
    session = await page.context.new_cdp_session(page)
    await session.send("Network.clearBrowserCache")
    await page.goto("/desk")
    assert cached < await transferred(page) < 100_000
    assert cached < 20_000


async def transferred(page: Page) -> int:
    """Add up the bytes that a page and all that belongs to it took over the wire."""
    return int(
        await page.evaluate("""
            [...performance.getEntriesByType("navigation"),
             ...performance.getEntriesByType("resource")]
            .reduce((sum, one) => sum + one.transferSize, 0)
        """)
    )


async def test_a_button_pressed_twice_sends_once(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    page = await open_page("/desk")
    await sign_in(page)
    await look_up(page, NUMBER)
    sent, first, go_on = [], asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        sent.append(route.request.method)
        first.set()
        await go_on.wait()
        await route.continue_()

    await page.route("**/desk/opt-outs", hold)
    await page.keyboard.press("Enter")
    await first.wait()
    await page.keyboard.press("Enter")
    go_on.set()
    await page.wait_for_url("**/desk/opt-outs/*")
    assert sent == ["POST"]


async def test_the_keys_count_where_digits_need_shift(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    page = await open_page("/desk")
    await sign_in(page)
    await look_up(page, NUMBER)
    # What a French keyboard sends for the key that "1" is printed on.
    await page.locator("[data-key='2']").dispatch_event(
        "keydown", {"key": "&", "code": "Digit1", "bubbles": True}
    )
    await expect(page.locator("[data-key='1']")).to_be_checked()


async def test_a_session_that_was_revoked_elsewhere_is_led_to_the_sign_in(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    here, elsewhere = await open_page("/desk"), await open_page("/desk")
    for page in (here, elsewhere):
        await sign_in(page)
        await expect(page.locator("#who")).to_be_focused()
    await elsewhere.goto("/account")
    await follow(elsewhere, elsewhere.get_by_role("button", name="Sign out everywhere"))
    await here.keyboard.type(NUMBER)
    await here.keyboard.press("Enter")
    await here.wait_for_url("**/sign-in?ended=1&next=*")
    await expect(here.get_by_role("alert")).to_contain_text("Nothing was recorded.")


async def test_an_agent_who_waits_is_told_so_and_that_no_answer_is_no_answer(
    registry: httpx.AsyncClient, open_page: Open
) -> None:
    del registry
    page = await open_page("/desk", viewport={"width": 360, "height": 640})
    await sign_in(page)
    await expect(page.locator("#who")).to_be_focused()
    answered, lost = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        await answered.wait()
        await (route.abort() if lost.is_set() else route.continue_())

    await page.route("**/desk/look-up", slowly)
    busy, told = page.locator("#busy"), page.locator("#told")
    await page.keyboard.type(NUMBER)
    await page.keyboard.press("Enter")
    for said in ("Waiting for the answer…", "Still no answer. Nothing is sure before it is there."):
        await expect(busy).to_have_text(said)
        await expect(told).to_have_text(said)
        await expect(busy).to_be_visible()
    await assert_accessible(page)
    await assert_fits(page)
    answered.set()
    await expect(page.locator("[value=all]")).to_be_focused()
    await expect(busy).to_be_hidden()
    await expect(told).to_have_text("No objection on record")
    lost.set()
    await page.keyboard.press("/")
    await page.keyboard.press("Enter")
    await expect(busy).to_have_text("No answer. Nothing is confirmed: try again.")
