"""The officer's pages as a browser without scripts sees them: who may do what, what is shown."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.accounts import Role
from app.main import create_app
from app.parties import Acts, list_audit
from app.platform.db import Database
from tests.conftest import Caller
from tests.officers import Browsers, browser_of
from tests.people import leads_to, submit, words_in
from tests.receivers import hasty, register, standing

READ = ("/overview", "/overview/now", "/databases", "/databases/crm")
CHANGED_BY_ADMINS = ("/databases/new", "/databases/crm/rotate-secret", "/databases/crm/replay")
NEW = {
    "name": "Dialler Été",
    "party": "p",
    "media.voice": "on",
    "kinds.phone": "on",
    "start": "beginning",
    "delivery.mode": "webhook",
    "delivery.url": "http://127.0.0.1:9/hook",
    "delivery.zone": "internal",
    "delivery.identifier_format": "hmac-sha256",
}


@pytest.fixture
async def app(database: Database) -> AsyncIterator[FastAPI]:
    """Run the app as the tests of delivery do: loopback is one of our networks."""
    app = create_app(hasty(database.settings))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def browsers(caller: Caller, admin: httpx.AsyncClient, database: Database) -> Browsers:
    """Sign one of each role in, on a registry with a database that pulls."""
    await register(admin)
    roles = (Role.SUPERVISOR, Role.OFFICER, Role.ADMIN)
    return {role: await browser_of(caller, database, role) for role in roles}


@pytest.fixture
def administrator(browsers: Browsers) -> httpx.AsyncClient:
    """Take the browser of the admin."""
    return browsers[Role.ADMIN]


async def test_each_role_sees_and_does_what_is_its_own(
    browsers: Browsers,
) -> None:
    for page in READ:
        assert (await browsers[Role.SUPERVISOR].get(page)).status_code == 403, page
        assert (await browsers[Role.OFFICER].get(page)).status_code == 200, page
    officer = browsers[Role.OFFICER]
    for page in CHANGED_BY_ADMINS:
        refused = await submit(officer, "/databases/crm", page)
        assert refused.status_code == 403, page
    paused = await submit(officer, "/databases/crm", "/databases/crm/pause", back="overview")
    assert leads_to(paused) == "/overview"
    assert "The CRM P, France paused" in words_in(await officer.get("/overview"))
    assert leads_to(await submit(officer, "/databases/crm", "/databases/crm/resume")) == (
        "/databases/crm"
    )


async def test_a_registry_without_a_channel_leads_its_admin_to_the_first_steps(
    browsers: Browsers,
) -> None:
    assert leads_to(await browsers[Role.ADMIN].get("/desk")) == "/first-steps"
    assert (await browsers[Role.OFFICER].get("/desk")).status_code == 200
    assert "Where objections come from" in words_in(await browsers[Role.ADMIN].get("/first-steps"))


async def test_a_database_is_registered_by_the_form_and_its_secrets_shown_once(
    administrator: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database
) -> None:
    made = await submit(administrator, "/databases/new", **NEW)
    assert made.status_code == 200
    assert made.text.count("whsec_") == 1
    assert "Key of the identifiers" in words_in(made)
    shown = await administrator.get("/databases/dialler-ete")
    assert "whsec_" not in shown.text
    registered = await standing(admin, "dialler-ete")
    assert (registered["name"], registered["media"], registered["kinds"], registered["brands"]) == (
        *("Dialler Été", ["voice"], ["phone"]),
        None,
    )
    async with database.reading() as session:
        acts = await list_audit(session, Acts(subject="database:dialler-ete"), limit=9)
    assert [act.actor.partition(":")[0] for act in acts] == ["user"]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"name": ""}, "name", "This is needed."),
        ({"slug": "Not a slug"}, "slug", "This does not have the form"),
        ({"slug": "crm"}, "slug", "This short name is taken."),
        ({"party": "nobody"}, "party", "There is no such party."),
        ({"delivery.url": ""}, "delivery.url", "This is needed."),
        ({"delivery.zone": "public"}, "delivery.url", "Nothing may be sent there"),
        ({"delivery.identifier_format": "sha256"}, "delivery.accept_weak", "Tick this"),
    ],
)
async def test_what_cannot_be_registered_is_said_at_its_field(
    change: dict[str, str], field: str, says: str, administrator: httpx.AsyncClient
) -> None:
    refused = await submit(administrator, "/databases/new", **(NEW | change))
    assert refused.status_code == 422
    assert f'id="fault-{field}">{says}' in refused.text
    assert f'value="{(NEW | change)["delivery.url"]}"' in refused.text


async def test_what_an_admin_does_to_a_database_is_done_and_noted(
    administrator: httpx.AsyncClient, database: Database
) -> None:
    page = "/databases/crm"
    assert "whsec_" in (await submit(administrator, page, f"{page}/rotate-secret")).text
    assert leads_to(await submit(administrator, page, f"{page}/replay", first="1")) == page
    assert (await submit(administrator, page, f"{page}/replay", first="0")).status_code == 422
    assert (await submit(administrator, page, f"{page}/delete", confirmed="x")).status_code == 422
    assert leads_to(await submit(administrator, page, f"{page}/delete", confirmed="crm")) == (
        "/databases"
    )
    assert (await administrator.get(page)).status_code == 404
    async with database.reading() as session:
        acts = await list_audit(session, Acts(subject="database:crm"), limit=9)
    assert [act.action.removeprefix("database.") for act in acts] == [
        *("deleted", "replayed", "secret-rotated", "registered"),
    ]


async def test_databases_are_found_by_name_state_and_party(
    administrator: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    await register(admin, slug="survey", name="Survey panel")
    await admin.post("/v1/databases/survey/pause")
    for query, names in (
        ("", ["Survey panel", "The CRM"]),
        ("q=SURVEY", ["Survey panel"]),
        ("state=paused", ["Survey panel"]),
        ("state=current&party=p", ["The CRM"]),
        ("party=nobody", []),
    ):
        words = words_in(await administrator.get(f"/databases?{query}"))
        assert [name for name in ("Survey panel", "The CRM") if f" {name} P, France" in words] == (
            names
        ), query
