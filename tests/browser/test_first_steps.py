"""An empty registry's first steps in a real Chromium, up to a map of who is told."""

from pathlib import Path
from xml.etree import ElementTree as ET

from playwright.async_api import expect

from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, assert_fits, follow
from tests.browser.test_officer import entered
from tests.receivers import hasty, receiver, working


def texts_in(picture: Path) -> str:
    """Read a picture as an XML document: what it says."""
    root = ET.fromstring(picture.read_text("utf-8"))  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join("".join(root.itertext()).split())


async def test_five_steps_lead_from_an_empty_registry_to_an_objection_that_is_told(
    open_page: Open, database: Database
) -> None:
    page = await entered(open_page, database, "/overview", viewport={"width": 360, "height": 800})
    await expect(page.get_by_role("heading", name="Five steps")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_label("Name", exact=True).fill("Sauerkraut")
    await follow(page, page.get_by_role("button", name="Register"))
    await page.get_by_label("Name", exact=True).fill("Sahel Calls")
    await page.get_by_label("Country").select_option("SN")
    await page.get_by_label("Contact address").fill("privacy@sahel.example")
    await follow(page, page.get_by_role("button", name="Register"))
    await page.get_by_label("Name", exact=True).fill("Call centre Dakar")
    await follow(page, page.get_by_role("button", name="Register"))
    await assert_accessible(page)
    await assert_fits(page)
    async with receiver() as dialler, working(hasty(database.settings)):
        await follow(page, page.get_by_role("link", name="Register a database"))
        await page.get_by_label("Name", exact=True).fill("Dialler Dakar")
        await page.get_by_label("Address of the webhook").fill(dialler.url)
        await page.get_by_role("radio", name="Our networks").check()
        await follow(page, page.get_by_role("button", name="Register it"))
        await page.get_by_role("button", name="Send a test ping").click()
        await expect(page.locator("#ping")).to_contain_text("It answered: it is there.")
        await follow(page, page.get_by_role("link", name="Next step"))
        await page.get_by_role("button", name="Record it").click()
        await expect(page.get_by_role("heading", name="The one database knows")).to_be_visible()
        await expect(page.get_by_text("All five are done.")).to_be_visible()
        await assert_accessible(page)
        assert dialler.main[0].data["entries"][0]["identifier"]["value"] == "+33639980001"
    await follow(page, page.get_by_role("link", name="To the overview"))
    await assert_fits(page)
    async with page.expect_download() as told:
        await page.get_by_role("link", name="Save as SVG").click()
    said = texts_in(await (await told.value).path())
    assert "Call centre Dakar Sahel Calls, Senegal, outside the EU" in said
    assert "Dialler Dakar Sahel Calls, Senegal, outside the EU" in said
    assert "Registry1 entry" in said
