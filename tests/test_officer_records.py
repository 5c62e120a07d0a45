"""Opt-outs, who takes part, keys, people and the audit, as the officer's browser shows them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.accounts import Role, find_user_by_login
from app.intake import due_on
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.conftest import Caller
from tests.desk import EMAIL, LETTER, PHONE, objected, reinstated
from tests.desk import register as register_all
from tests.officers import browser_of
from tests.people import PASSWORD, leads_to, signed_in, submit, words_in
from tests.receivers import register, standing


@pytest.fixture
async def officer(
    caller: Caller, admin: httpx.AsyncClient, database: Database
) -> httpx.AsyncClient:
    """Sign an officer in, on a registry with two channels and a database that pulls."""
    await register_all(admin)
    await register(admin)
    return await browser_of(caller, database, Role.OFFICER)


@pytest.fixture
async def administrator(
    officer: httpx.AsyncClient, caller: Caller, database: Database
) -> httpx.AsyncClient:
    """Sign an administrator in, on the same registry."""
    del officer
    return await browser_of(caller, database, Role.ADMIN)


async def test_an_opt_out_tells_its_evidence_who_knows_and_what_voiding_would_change(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    first = await objected(admin, media=["voice"], evidence=LETTER, recorded_by="agent 7")
    second = await objected(admin, channel="web")
    words = words_in(await officer.get(f"/opt-outs/{first['id']}"))
    for said in (
        *("Not everybody knows yet 0 of 1", "The CRM P being told", "Kind letter"),
        *("Where it lies box 7", "By agent 7", "+33 6 •• •• •• 01", "1 suppressed"),
        *("0 suppressions would be gone", "1 would stay, for others say so too"),
    ):
        assert said in words, said
    other = words_in(await officer.get(f"/opt-outs/{second['id']}"))
    assert "1 would hold for fewer media" in other
    assert "0639980001" not in re.sub(r"\W", "", words)


async def test_an_opt_out_tells_what_has_since_been_lifted_voided_and_erased(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    first, second = await objected(admin), await objected(admin, channel="web", media=["sms"])
    lonely = (await objected(admin, identifiers=[EMAIL]))["id"]
    await admin.post(f"/v1/opt-outs/{first['id']}/void", json={"reason": "mistyped"})
    later = wire_time(datetime.now(UTC) + timedelta(seconds=1))
    assert (await reinstated(admin, occurred_at=later)).status_code == 201
    await objected(admin, channel="web")
    assert (await admin.post("/v1/erasures", json={"identifiers": [PHONE]})).is_success
    page = await officer.get(f"/opt-outs/{second['id']}")
    entries = words_in(page).partition("In the journal")[2]
    said = [
        "erased erasure was asked for",
        "lifted by a later act of the person",
        "lifted another was voided",
    ]
    places = [entries.find(one) for one in said]
    assert -1 not in places
    assert places == sorted(places)
    assert f'href="/opt-outs/{first["id"]}"' in page.text
    own = words_in(await officer.get(f"/opt-outs/{first['id']}"))
    assert "lifted this one was voided" in own
    assert "what followed" not in words_in(await officer.get(f"/opt-outs/{lonely}"))


async def test_an_officer_voids_a_mistake_for_a_reason(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    page = f"/opt-outs/{(await objected(admin))['id']}"
    refused = await submit(officer, page, f"{page}/void", reason=" ")
    assert refused.status_code == 422
    assert "This is needed." in words_in(refused)
    assert leads_to(await submit(officer, page, f"{page}/void", reason="a wrong number")) == page
    assert "Voided: it was a mistake." in words_in(await officer.get(page))
    checked = await admin.post("/v1/checks", json={"phone": PHONE["value"], "medium": "voice"})
    assert checked.json()["decision"] == "allow"


async def test_opt_outs_are_listed_page_by_page_by_what_stands_in_the_address(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    for number in range(51):
        await objected(admin, reference=f"call-{number}")
    await objected(admin, channel="web", reason="complaint")

    async def listed(query: str) -> int:
        return (await officer.get(f"/opt-outs?{query}")).text.count('<td class="nowrap"><a href')

    assert await listed("channel=web") == await listed("reason=complaint&channel=nowhere") == 1
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    assert await listed(f"since={tomorrow}") == 0
    assert await listed("since=yesterday&until=0001-01-01") == 0
    first = await officer.get("/opt-outs?channel=dakar")
    (following,) = re.findall(r'href="\?([^"]*cursor[^"]*)"', first.text)
    assert (await listed("channel=dakar"), await listed(following.replace("&amp;", "&"))) == (50, 1)


@pytest.mark.parametrize(
    ("page", "fields", "field"),
    [
        ("/brands/new", {"name": "Bretzel"}, "slug"),
        (
            "/channels/new",
            {"name": "Agents Tunis", "kind": "call_centre", "party": "p"},
            "party",
        ),
        (
            "/parties/new",
            {
                "name": "Ouest Calls",
                "kind": "subcontractor",
                "country": "SN",
                "contact_email": "privacy@sahel.example",
                "contract.reference": "C-1",
                "contract.signed_on": "2025-03-01",
            },
            "contract.signed_on",
        ),
    ],
)
async def test_who_takes_part_is_registered_by_a_form(
    page: str, fields: dict[str, str], field: str, administrator: httpx.AsyncClient
) -> None:
    refused = await submit(administrator, page, **(fields | {field: "Not one of these"}))
    assert refused.status_code == 422
    assert f'id="fault-{field}"' in refused.text
    assert leads_to(await submit(administrator, page, **fields)) == "/parties"
    assert fields["name"] in words_in(await administrator.get("/parties"))
    assert (await submit(administrator, page, **fields)).status_code == 422


async def test_a_key_is_made_shown_once_and_revoked(
    administrator: httpx.AsyncClient, caller: Caller
) -> None:
    fields = {"name": "The CRM's", "scopes.journal:read": "on", "database": "crm"}
    assert (await submit(administrator, "/keys/new", name="Nothing")).status_code == 422
    over = await submit(administrator, "/keys/new", **fields, expires_at="2020-12-31")
    assert over.status_code == 422
    assert "This date is over: the key would never count." in words_in(over)
    made = await submit(administrator, "/keys/new", **fields, expires_at="2100-12-31")
    (key,) = re.findall(r"optout_[\w-]{43}", made.text)
    program = await caller()
    program.headers["Authorization"] = f"Bearer {key}"
    assert (await program.get("/v1/journal")).status_code == 200
    shown = await administrator.get("/keys")
    assert key not in shown.text
    assert "The CRM's What was done journal:read crm" in words_in(shown)
    (revoked,) = re.findall(r"/keys/[\w-]+/revoke", shown.text.partition("The CRM&#39;s")[2])[:1]
    assert leads_to(await submit(administrator, "/keys", revoked)) == "/keys"
    assert "The CRM's" not in words_in(await administrator.get("/keys"))
    assert "The CRM's" in words_in(await administrator.get("/keys?state=ended&scope=journal:read"))


async def test_somebody_is_let_in_changed_and_let_in_no_more(
    administrator: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    fields = {"login": "agent-7", "name": "Agent 7", "role": "agent", "place": "channel:dakar"}
    assert (await submit(administrator, "/users/new", login="x")).status_code == 422
    invited = await submit(administrator, "/users/new", **fields)
    (link,) = re.findall(r"/invited/[\w-]+", invited.text)
    assert (await submit(administrator, "/users/new", **fields)).status_code == 422
    newcomer = await caller()
    assert leads_to(await submit(newcomer, link, password=PASSWORD)) == "/sign-in"
    async with database.reading() as session:
        user = await find_user_by_login(session, "agent-7")
    page = f"/users/{user.id}"
    changed = await submit(administrator, page, f"{page}/change", role="supervisor", place="")
    assert leads_to(changed) == page
    assert leads_to(await signed_in(newcomer, "agent-7")) == "/desk"
    assert leads_to(await submit(administrator, page, f"{page}/sign-out")) == page
    assert leads_to(await newcomer.get("/desk")) == "/sign-in"
    assert leads_to(await submit(administrator, page, f"{page}/disable")) == page
    assert (await signed_in(newcomer, "agent-7")).status_code == 401
    listed = words_in(await administrator.get("/users"))
    assert "Agent 7 agent-7 Supervisor disabled" in listed
    audit = words_in(await administrator.get(f"/audit?subject=user:{user.id}"))
    for action in (
        "User created Agent 7 role: Agent",
        "Password chosen",
        "User changed Agent 7 role: Supervisor",
        "Signed in",
        "Signed out everywhere",
        "User disabled",
    ):
        assert action in audit, action


async def test_the_audit_is_searched_by_who_what_and_when(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await admin.post("/v1/databases/crm/pause")
    assert (await standing(admin))["state"] == "paused"
    paused = words_in(await officer.get("/audit?action=database.paused"))
    assert re.search(r"today test \d+ Database paused database crm", paused)
    for query in ("action=nothing", "until=2020-01-01", "actor=cli&action=database.paused"):
        assert "Nothing fits" in words_in(await officer.get(f"/audit?{query}")), query
    assert (await officer.get("/audit?cursor=nonsense")).status_code == 422


async def test_settings_in_force_tell_of_no_secret(
    officer: httpx.AsyncClient, database: Database
) -> None:
    shown = await officer.get("/settings")
    assert "OPTOUT_SEALING_KEYS" in shown.text
    assert database.settings.sealing_keys is not None
    assert database.settings.sealing_keys.get_secret_value() not in shown.text
    assert database.url.database is not None
    assert database.url.database not in shown.text


@pytest.mark.parametrize(
    ("came", "due"),
    [
        ("2026-01-31T12:00:00Z", "2026-02-28"),
        ("2026-12-05T12:00:00Z", "2027-01-05"),
        ("2026-03-31T22:30:00Z", "2026-05-01"),
    ],
)
def test_an_answer_is_due_a_month_after_a_complaint_came(came: str, due: str) -> None:
    at = datetime.fromisoformat(came)
    assert due_on(at, ZoneInfo("Europe/Paris")).isoformat() == due


async def test_a_complaint_waits_on_the_overview_until_somebody_has_answered_it(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await objected(admin)
    assert "Complaints that wait" not in words_in(await officer.get("/overview"))
    page = f"/opt-outs/{(await objected(admin, reason='complaint'))['id']}"
    waiting = await officer.get("/overview")
    assert "Complaints that wait for an answer" in words_in(waiting)
    assert f'href="{page}"' in waiting.text
    assert "An answer is due until" in words_in(await officer.get(page))
    assert leads_to(await submit(officer, page, f"{page}/answered")) == page
    assert "answered" in words_in(await officer.get(page))
    assert "Complaints that wait" not in words_in(await officer.get("/overview"))
    assert "Complaint answered objection" in words_in(await officer.get("/audit"))


async def test_the_map_groups_by_party_where_there_are_many(
    officer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    for number in range(15):
        await register(admin, slug=f"crm-{number}", name=f"CRM {number}")
    await admin.post("/v1/databases/crm-3/pause")
    drawn = await officer.get("/overview/map.svg")
    assert drawn.headers["content-type"] == "image/svg+xml"
    said = words_in(drawn)
    assert "P · 16 databases France, paused" in said
    assert "CRM 3" not in said
