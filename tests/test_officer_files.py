"""Files that officers send, as a browser without scripts does it."""

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from app.accounts import Role
from app.intake import forget_refused
from app.platform.clock import now
from app.platform.db import Database
from tests.conftest import Caller
from tests.desk import count, searched
from tests.desk import register as register_all
from tests.officers import browser_of
from tests.pages import PAGES
from tests.people import leads_to, token_in, words_in
from tests.receivers import until
from tests.scrubbing import working

ANOTHER = "another's"
ROWS = b"phone\n06 39 98 00 31\nnonsense\n"


@pytest.fixture
async def officer(
    caller: Caller, admin: httpx.AsyncClient, database: Database
) -> httpx.AsyncClient:
    """Sign an officer in, on a registry with channels."""
    await register_all(admin)
    return await browser_of(caller, database, Role.OFFICER)


async def send(
    officer: httpx.AsyncClient, what: str, content: bytes = ROWS, **fields: str
) -> httpx.Response:
    """Send a file by the form of its page."""
    token = token_in(await officer.get(f"/files?what={what}"))
    data = {"token": token, "channel": "dakar", "medium": "voice", "keep": "all", **fields}
    return await officer.post(f"/files/{what}", data=data, files={"file": ("a.csv", content)})


async def when_done(officer: httpx.AsyncClient, page: str, rows: int = 2) -> httpx.Response:
    """Wait until every row of a file is done: its page then."""

    async def is_done() -> bool:
        words = words_in(await officer.get(page))
        return f" done {rows} of {rows} rows" in words and "being done" not in words

    await until(is_done)
    return await officer.get(page)


async def test_a_file_of_a_form_that_is_not_ours_is_not_kept(
    officer: httpx.AsyncClient, database: Database
) -> None:
    assert (await send(officer, "imports", ROWS, token=ANOTHER)).status_code == 403
    crossed = await officer.post(
        "/files/scrubs", files={"file": ("a.csv", ROWS)}, headers={"sec-fetch-site": "cross-site"}
    )
    assert crossed.status_code == 403
    assert await count(database, "jobs") == 0
    async with database.reading() as session:
        kept = "SELECT count(*) FROM files WHERE expires_at IS NULL OR expires_at > now()"
        assert await session.scalar(text(kept)) == 0


@pytest.mark.parametrize(
    ("change", "content", "says"),
    [
        ({"channel": "nowhere"}, ROWS, "There is no such channel."),
        ({"reason": "boredom"}, ROWS, "This does not have the form"),
        ({"occurred_at": "2999-01-01"}, ROWS, "That day has not come yet."),
        ({"column.0": "phone"}, ROWS, "Name the column and what it holds"),
        ({"column.0": "a", "holds.0": "shoe size"}, ROWS, "This does not have the form"),
        ({}, b"", "There is nothing in this file"),
    ],
)
async def test_a_file_that_cannot_be_taken_is_refused_at_its_field(
    change: dict[str, str], content: bytes, says: str, officer: httpx.AsyncClient
) -> None:
    refused = await send(officer, "imports", content, **change)
    assert refused.status_code == 422
    assert says in words_in(refused)


async def test_an_import_is_done_and_only_an_admin_is_offered_its_void(
    officer: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    page = leads_to(await send(officer, "imports"))
    async with working(database):
        shown = await when_done(officer, page)
    assert "Recorded 1 Stood already 0 Refused rows 1" in words_in(shown)
    assert "Void the whole file" not in words_in(shown)
    administrator = await browser_of(caller, database, Role.ADMIN)
    assert "1 suppression would be gone" in words_in(await administrator.get(page))
    assert PAGES["POST /files/imports/{id}/void"] is Role.ADMIN
    assert "a.csv" in words_in(await officer.get("/files?channel=dakar"))
    assert "a.csv" not in words_in(await officer.get("/files?channel=web"))
    officer.headers["accept-language"] = "fr"
    assert "Inutilisable. aucun numéro de téléphone ne s" in words_in(await officer.get(page))
    table = await officer.get(f"{page}/refused.csv")
    assert table.content.startswith(b"\xef\xbb\xbfline;column;value;reason\r\n3;phone;")
    async with database.transaction() as session:
        assert await forget_refused(session, before=now() + timedelta(minutes=1)) == 1
    assert "Le détail des lignes refusées" in words_in(await officer.get(page))


async def test_a_file_s_columns_media_and_day_are_said_in_the_form(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database
) -> None:
    rows = b"Portable;Fixe;Motif\n06 39 98 00 31;01 99 00 12 34;refusal\n"
    fields = {"column.0": "Portable", "holds.0": "phone", "column.3": "3", "holds.3": "reason"}
    chosen = {"media.voice": "on", "media.sms": "on", "occurred_at": "2026-03-02"}
    page = leads_to(await send(officer, "imports", rows, **fields, **chosen))
    async with working(database):
        shown = await when_done(officer, page, rows=1)
    said = words_in(shown)
    assert "Motif → reason Portable → phone" in said
    assert "Media calls, SMS Said on 2 March 2026, 23:59" in said
    (opt_out,) = (await admin.get("/v1/imports")).json()["items"]
    assert opt_out["occurred_at"] == "2026-03-02T22:59:59.000000Z"
    found = await searched(admin, {"kind": "phone", "value": "06 39 98 00 31"})
    assert [(one["media"], one["reason"]) for one in found["history"]] == [
        (["voice", "sms"], "refusal")
    ]
    assert (await searched(admin, {"kind": "phone", "value": "0199001234"}))["history"] == []


async def test_who_takes_a_scrub_s_result_stands_in_the_audit(
    officer: httpx.AsyncClient, database: Database
) -> None:
    page = leads_to(await send(officer, "scrubs"))
    async with working(database):
        shown = await when_done(officer, page)
    taken = await officer.post(f"{page}/result", data={"token": token_in(shown)})
    assert taken.status_code == 200, words_in(taken)
    assert re.findall(r",(allow|block),", taken.text) == ["allow", "block"]
    assert "Scrubbed file downloaded" in words_in(await officer.get("/audit"))
    deleted = await officer.post(f"{page}/delete", data={"token": token_in(shown)})
    assert leads_to(deleted) == "/files"


async def test_a_campaign_s_numbers_are_read_as_those_of_the_country_that_is_said(
    officer: httpx.AsyncClient, database: Database
) -> None:
    # Of the range that Ofcom keeps for fiction.
    rows = b"phone\n07700 900123\n"
    assert "This does not have the form" in words_in(
        await send(officer, "scrubs", rows, region="X")
    )
    async with working(database):
        await when_done(officer, leads_to(await send(officer, "imports", rows, region="GB")), 1)
        told = []
        for region in ("GB", ""):
            page = leads_to(await send(officer, "scrubs", rows, region=region))
            token = token_in(await when_done(officer, page, 1))
            taken = await officer.post(f"{page}/result", data={"token": token})
            told += re.findall(r",block,(\w+),", taken.text)
    assert told == ["opted_out", "unusable"]
