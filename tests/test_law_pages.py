"""Pages about the law: what is lawful now, at the desk and for the person; rules, hours, copies."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.platform.clock import now
from app.platform.db import Database
from tests.desk import count, objected, post, reinstated
from tests.people import CHANNEL, leads_to, submit, token_in, words_in
from tests.test_consents import CONSENT, CONTRACT, WORDING
from tests.test_parties import PARTY, made

PERSON = {"kind": "phone", "value": "06 39 98 00 01"}
FRESH: dict[str, Any] = CONSENT | {"given_at": "2026-10-01T10:00:00+02:00", "slots": []}


@pytest.fixture
async def registry(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Register a brand and a party beside the channel that the browser opened."""
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/brands", {"slug": "sauerkraut", "name": "Maison Sauerkraut"})
    return admin


async def looked_up(agent: httpx.AsyncClient) -> str:
    """Look the person up at the desk: what the page says."""
    return words_in(await submit(agent, "/desk", "/desk/look-up", who="06 39 98 00 01"))


async def test_the_desk_says_what_is_lawful_now_and_what_that_rests_on(
    agent: httpx.AsyncClient, registry: httpx.AsyncClient
) -> None:
    stranger = await looked_up(agent)
    assert "May one contact them now? Call no" in stranger
    assert "Judged by the rules of France. That is what the number says." in stranger
    await made(registry, "/v1/consents", FRESH | {"mentions": ["who"]})
    await made(registry, "/v1/contracts", CONTRACT | {"object": "ovens"})
    attempt = {"identifier": PERSON, "medium": "voice", "attempted_at": now().isoformat()}
    await made(registry, "/v1/attempts", attempt)
    page = await looked_up(agent)
    assert "sauerkraut · home insurance calls not proven" in page
    assert "Its record lacks for what, and that it is a choice, for how long" in page
    assert "sauerkraut · ovens Since 1 January 2026." in page
    assert "calls, not answered" in page


async def test_an_objection_comes_before_any_rule_at_the_desk(
    agent: httpx.AsyncClient, registry: httpx.AsyncClient
) -> None:
    await made(registry, "/v1/consents", FRESH)
    await objected(registry, channel=CHANNEL)
    page = await looked_up(agent)
    assert "Call no The person objected: that comes before any rule." in page
    await reinstated(registry, occurred_at=now().isoformat(), channel=CHANNEL)
    assert "The person objected" not in await looked_up(agent)


async def test_a_person_sees_the_records_and_asks_for_a_copy_that_is_theirs_to_keep(
    browser: httpx.AsyncClient, registry: httpx.AsyncClient
) -> None:
    consent = (await made(registry, "/v1/consents", FRESH)).json()
    other = {"kind": "phone", "value": "06 39 98 00 02"}
    others = (await made(registry, "/v1/consents", FRESH | {"identifier": other})).json()
    link = (await made(registry, "/v1/preference-links", {"identifiers": [PERSON]})).json()
    path = link["url"].removeprefix("http://127.0.0.1:8000")
    assert f"{path}/records" in (await browser.get(path)).text
    shown = await browser.get(f"{path}/records")
    assert "sauerkraut · home insurance calls valid" in words_in(shown)
    token = token_in(shown)
    sent = {"token": token, "consent": others["id"]}
    assert (await browser.post(f"{path}/copies", data=sent)).status_code == 404
    asked = await browser.post(f"{path}/copies", data=sent | {"consent": consent["id"]})
    copy = await browser.get(leads_to(asked))
    assert WORDING in words_in(copy)
    assert "Maison Sauerkraut may contact you by calls about: home insurance." in words_in(copy)
    file = await browser.get(f"{leads_to(asked)}/consent.txt")
    assert file.headers["content-disposition"] == 'attachment; filename="consent.txt"'
    assert WORDING in file.text
    kept = (await registry.get(f"/v1/consents/{consent['id']}")).json()
    assert len(kept["copies"]) == 1
    # Their machine's traces are evidence, and no part of the copy that may be passed on.
    assert "192.0.2.7" not in copy.text + file.text


async def test_a_copy_by_the_api_counts_until_the_evidence_is_destroyed_and_only_if_whole(
    client: httpx.AsyncClient, registry: httpx.AsyncClient, database: Database
) -> None:
    consent = (await made(registry, "/v1/consents", FRESH)).json()
    made_copy = await post(registry, f"/v1/consents/{consent['id']}/copies", {})
    path = made_copy.json()["url"].removeprefix("http://127.0.0.1:8000")
    assert (await client.get(path)).status_code == 200
    for broken in (path[:-1], path[:-3] + "AAA", "/copy/x", "/copy/" + "A" * 5_000):
        assert (await client.get(broken)).status_code == 404
    assert await count(database, "consent_copies") == 1
    async with database.transaction() as session:
        await session.execute(text("UPDATE consents SET evidence = NULL"))
    assert (await client.get(path)).status_code == 404


async def test_the_rules_are_told_in_plain_words_with_what_changes_next(
    agent: httpx.AsyncClient,
) -> None:
    page = words_in(await agent.get("/rules?country=NL&on=2026-06-30"))
    assert "Next change: 1 July 2026" in page
    assert "This country's rules are not complete here." in page
    french = await agent.get("/rules?country=FR&on=2026-08-11&lang=fr")
    assert "France, le 11 août 2026" in words_in(french)
    for hostile in ("country=%00%00", "country=zzz", "on=tomorrow", "on=9999-12-31"):
        assert (await agent.get(f"/rules?{hostile}")).status_code == 200


async def test_the_calendar_shows_the_hours_and_this_year_s_holidays(
    agent: httpx.AsyncClient,
) -> None:
    page = await agent.get("/rules/hours?country=FR&year=2026")
    words = words_in(page)
    assert "Mon, Tue, Wed, Thu, Fri: 10:00\u201313:00 and 14:00\u201320:00" in words
    assert "Wed 11 November 2026" in words
    assert "France, 2026 2025 2027" in words
    assert page.text.count('class="holiday') == 11
    assert (await agent.get("/rules/hours?country=DE")).status_code == 200
    assert (await agent.get("/rules/hours?year=99999")).status_code == 200
