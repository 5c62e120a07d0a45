"""Files in a real Chromium: dropped, watched, their refused rows and results taken."""

import re
from pathlib import Path

import httpx
from playwright.async_api import Page, expect

from app.platform.db import Database
from tests.browser.conftest import Open, assert_accessible, assert_fits
from tests.browser.test_officer import entered
from tests.people import open_channel
from tests.scrubbing import working

# A job that is not yet done is "being done".
DONE = re.compile("^done")
FILE = "phone\n06 39 98 00 31\nnot a number\n06 39 98 00 32\n"

_DROP = """
([text, name]) => {
  const held = new DataTransfer();
  held.items.add(new File([text], name, { type: "text/csv" }));
  const zone = document.querySelector("[data-drop]");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const how = { dataTransfer: held, bubbles: true, cancelable: true };
    zone.dispatchEvent(new DragEvent(kind, how));
  }
}
"""


def text_of(file: Path) -> str:
    """Read what was downloaded."""
    return file.read_text("utf-8")


async def drop(page: Page, text: str, name: str) -> None:
    """Drop a file onto the form of the page."""
    await page.evaluate(_DROP, [text, name])
    await expect(page.locator("[data-chosen]")).to_have_text(name)


async def test_a_file_is_dropped_imported_while_one_looks_and_tells_its_refused_rows(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    await open_channel(admin_of_site)
    page = await entered(open_page, database, "/files", viewport={"width": 360, "height": 800})
    await assert_accessible(page)
    await assert_fits(page)
    await drop(page, FILE, "stops.csv")
    await page.get_by_role("button", name="Import it").click()
    await expect(page.get_by_role("heading", name="waiting its turn")).to_be_visible()
    async with working(database):
        await expect(page.get_by_role("heading", name=DONE)).to_be_visible()
    await expect(page.locator("tr", has_text="Unusable.")).to_be_visible()
    await assert_accessible(page)
    await assert_fits(page)
    async with page.expect_download() as told:
        await page.get_by_role("link", name="All of them as CSV").click()
    refused = text_of(await (await told.value).path())
    assert refused.splitlines()[0] == "\ufeffline,column,value,reason"
    assert refused.count("\n") == 2
    checked = await admin_of_site.post(
        "/v1/checks", json={"phone": "06 39 98 00 32", "medium": "voice"}
    )
    assert checked.json()["decision"] == "block"
    await page.get_by_label("Why was it a mistake?").fill("the wrong file")
    await page.get_by_role("button", name="Void this file").click()
    async with working(database):
        await expect(page.get_by_text("Voided: 2 grounds. done.")).to_be_visible()


async def test_a_campaign_is_scrubbed_and_its_result_downloaded(
    admin_of_site: httpx.AsyncClient, open_page: Open, database: Database
) -> None:
    await open_channel(admin_of_site)
    body = {"identifiers": [{"kind": "phone", "value": "06 39 98 00 31"}], "channel": "front-desk"}
    assert (await admin_of_site.post("/v1/opt-outs", json=body)).status_code == 201
    page = await entered(open_page, database, "/files?what=scrubs")
    await assert_accessible(page)
    await page.get_by_role("button", name="Scrub it").click()
    await expect(page.get_by_label("Drop a file here")).to_be_focused()
    await drop(page, FILE, "campaign.csv")
    async with working(database):
        await page.get_by_role("button", name="Scrub it").click()
        await expect(page.get_by_role("heading", name=DONE)).to_be_visible()
    await assert_accessible(page)
    async with page.expect_download() as told:
        await page.get_by_role("button", name="Download the result").click()
    result = text_of(await (await told.value).path()).splitlines()
    assert [line.split(",")[1] for line in result] == ["decision", "block", "block", "allow"]
