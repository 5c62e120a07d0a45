"""What people said in their own words, before an officer in a real Chromium."""

import httpx
from playwright.async_api import expect

from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, assert_fits, follow
from tests.browser.test_officer import entered
from tests.doors import SECRET, open_door

BASIC = {"Authorization": f"Bearer {SECRET}"}
WROTE = {
    "+33639980051": "Foutez-moi la paix avec vos promotions, " + "je n'en veux pas, " * 9,
    "+33639980052": "Mauvais payeur : mes 3 SMS de rappel sont du spam ?",
    "+33639980053": "OUI",
    "+33639980054": "Wo ist mein Paket?",
}


async def written(admin: httpx.AsyncClient, site: str) -> None:
    """Let three people write, each by a text message."""
    path = await open_door(admin, "sms")
    async with httpx.AsyncClient(base_url=site, headers=BASIC, timeout=30) as provider:
        for number, (sender, words) in enumerate(WROTE.items()):
            body = {"from": sender, "text": words, "id": str(number)}
            answer = await provider.post(path, json=body)
            assert answer.status_code == 200, answer.text


async def test_an_officer_confirms_one_voids_another_and_sees_a_wish(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database, site: str
) -> None:
    await written(admin_of_site, site)
    page = await entered(open_page, database, "/reviews", viewport={"width": 1280, "height": 900})
    await expect(page.get_by_role("heading", level=1)).to_contain_text("4 wait")
    await assert_accessible(page)
    await page.get_by_role("button", name="It is an objection").first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("3 wait")
    await page.get_by_text("It is no objection").first.click()
    await page.get_by_label("Why it is none").first.fill("asks about reminders")
    await assert_accessible(page)
    await page.get_by_role("button", name="Void it").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("2 wait")
    await follow(page, page.get_by_role("button", name="Seen"))
    await page.get_by_role("button", name="It is an objection").click()
    await expect(page.get_by_text("Nothing waits.")).to_be_visible()
    await page.get_by_role("link", name="Decided").click()
    await expect(page.get_by_text("Voided by")).to_be_visible()
    await assert_accessible(page)
    decided = [
        (await admin_of_site.post("/v1/checks", json={"phone": who, "medium": "sms"})).json()
        for who in WROTE
    ]
    assert [one["decision"] for one in decided] == ["block", "allow", "allow", "block"]


async def test_reviews_fit_a_small_dark_screen_in_french(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database, site: str
) -> None:
    await written(admin_of_site, site)
    page = await entered(
        open_page,
        database,
        "/reviews",
        language="fr-FR",
        color_scheme="dark",
        viewport={"width": 320, "height": 800},
    )
    await expect(page.get_by_role("heading", level=1)).to_contain_text("4 en attente")
    await page.get_by_text("en est pas une").first.click()
    await assert_accessible(page)
    await assert_fits(page)
