"""The pages of people themselves in a real Chromium, in both languages."""

import httpx
import pytest
from playwright.async_api import expect

from app.identifiers import Identifier
from app.intake import Confirmation, seal_confirmation
from app.journal import EVERY_BRAND, Kind
from app.platform.clock import now
from app.platform.db import Database
from app.platform.vault import Vault
from tests.browser.conftest import Open, assert_accessible, assert_fits
from tests.receivers import hasty, receiver, register, working

EMAIL, PHONE = "camille@example.com", "+33639980031"


async def link(admin: httpx.AsyncClient) -> tuple[str, str]:
    """Make a link: its page and its single click."""
    people = [{"kind": "email", "value": EMAIL}, {"kind": "phone", "value": PHONE}]
    answer = await admin.post("/v1/preference-links", json={"identifiers": people})
    made = answer.json()
    return made["url"].removeprefix("http://127.0.0.1:8000"), made["one_click_url"].removeprefix(
        "http://127.0.0.1:8000"
    )


async def decision(admin: httpx.AsyncClient, medium: str, **who: str) -> str:
    """Ask as a dialler does."""
    answer = await admin.post("/v1/checks", json={"medium": medium, **who})
    return str(answer.json()["decision"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_person_switches_calls_off_in_french_and_sees_who_knows(
    scheme: str, admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    async with receiver() as dialler:
        await register(admin_of_site, dialler.url)
        page = await open_page(
            (await link(admin_of_site))[0], language="fr-FR", color_scheme=scheme
        )
        await assert_accessible(page)
        await expect(page.get_by_text("c•••@example.com")).to_be_visible()
        await page.get_by_role("switch", name="Appels téléphoniques").uncheck()
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(page.get_by_text("Cela vaut dès maintenant.").first).to_be_visible()
        async with working(hasty(database.settings)):
            await expect(page.get_by_text("La seule base").first).to_be_visible()
        await assert_accessible(page)
        assert await decision(admin_of_site, "voice", phone=PHONE) == "block"
        assert await decision(admin_of_site, "sms", phone=PHONE) == "allow"
        await page.get_by_role("button", name="Tout arrêter").click()
        await expect(page.get_by_role("switch", name="SMS")).not_to_be_checked()
        assert await decision(admin_of_site, "email", email=EMAIL) == "block"


async def test_one_click_asks_for_the_click(
    admin_of_site: httpx.AsyncClient, open_page: Open
) -> None:
    page = await open_page((await link(admin_of_site))[1])
    await assert_accessible(page)
    assert await decision(admin_of_site, "email", email=EMAIL) == "allow"
    await page.get_by_role("button", name="Unsubscribe now").click()
    await expect(page.get_by_text("You are unsubscribed.")).to_be_visible()
    assert await decision(admin_of_site, "email", email=EMAIL) == "block"
    await assert_accessible(page)


async def test_a_person_chooses_by_keyboard_alone_brand_by_brand(
    admin_of_site: httpx.AsyncClient, open_page: Open
) -> None:
    for slug in ("pretzel", "sauerkraut"):
        await admin_of_site.post("/v1/brands", json={"slug": slug, "name": slug.title()})
    page = await open_page(
        (await link(admin_of_site))[0],
        viewport={"width": 640, "height": 400},
        device_scale_factor=2,
    )
    await page.get_by_text("Choose brand by brand").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    switch = page.get_by_role("group", name="Pretzel").get_by_role("switch", name="Phone calls")
    await expect(switch).to_be_focused()
    await page.keyboard.press("Space")
    await assert_accessible(page)
    await assert_fits(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Done. It counts from this moment.")).to_be_visible()
    decided = [
        await decision(admin_of_site, "voice", phone=PHONE, brand=brand)
        for brand in ("pretzel", "sauerkraut")
    ]
    assert decided == ["block", "allow"]


async def test_what_is_mailed_is_confirmed_by_a_button(open_page: Open, database: Database) -> None:
    assert database.settings.sealing_keys is not None
    asked = Confirmation(now(), Identifier(Kind.EMAIL, EMAIL), EVERY_BRAND)
    vault = Vault.parse(database.settings.sealing_keys.get_secret_value())
    page = await open_page(f"/c/{seal_confirmation(vault, asked)}", language="fr-FR")
    await assert_accessible(page)
    await page.get_by_role("button", name="Autoriser à nouveau").click()
    await expect(page.get_by_text("On peut à nouveau écrire")).to_be_visible()
    await assert_accessible(page)


@pytest.mark.parametrize("width", [320, 1920])
async def test_the_open_form_is_told_at_once_on_any_screen(
    width: int, admin_of_site: httpx.AsyncClient, open_page: Open
) -> None:
    page = await open_page("/objection", viewport={"width": width, "height": 700})
    await assert_accessible(page)
    await assert_fits(page)
    await page.get_by_label("Phone number or e-mail address").fill("06 39 98 00 31")
    await page.get_by_label("What should stop").select_option("calls")
    await page.get_by_role("button", name="Stop it").click()
    await expect(page.get_by_role("status").first).to_contain_text("It counts from this moment")
    await assert_accessible(page)
    assert await decision(admin_of_site, "voice", phone=PHONE) == "block"
    await page.goto((await link(admin_of_site))[0])
    await assert_fits(page)
