"""Every route by every scope, unbound and bound: who is let in, who is not.

A new route needs a line in ``ROUTES`` (or in ``PUBLIC``, for whoever needs no key).
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.console.doors import PeopleDoor
from app.parties import SCOPES, Scope
from app.platform.db import Database
from tests.conftest import Caller
from tests.pages import PAGES
from tests.test_keys import with_database
from tests.test_parties import CHANNEL, PARTY, made, problem

ROUTES: dict[str, Scope] = {
    "POST /v1/checks": "checks",
    "POST /v1/checks/batch": "checks",
    "POST /v1/scrubs": "checks",
    "GET /v1/scrubs/{id}": "checks",
    "GET /v1/scrubs/{id}/result": "checks",
    "POST /v1/scrubs/{id}/refresh": "checks",
    "DELETE /v1/scrubs/{id}": "checks",
    "POST /v1/opt-outs": "opt-outs:write",
    "GET /v1/opt-outs": "opt-outs:read",
    "GET /v1/opt-outs/{id}": "opt-outs:read",
    "GET /v1/opt-outs/{id}/propagation": "opt-outs:read",
    "POST /v1/opt-outs/{id}/void": "admin",
    "POST /v1/unverified-opt-outs/void": "admin",
    "POST /v1/preference-links": "opt-outs:write",
    "POST /v1/suppressions/search": "opt-outs:read",
    "POST /v1/imports": "opt-outs:write",
    "GET /v1/imports": "opt-outs:write",
    "GET /v1/imports/{id}": "opt-outs:write",
    "GET /v1/imports/{id}/refused": "opt-outs:write",
    "GET /v1/imports/{id}/void-preview": "admin",
    "POST /v1/imports/{id}/void": "admin",
    "POST /v1/reinstatements": "reinstatements:write",
    "POST /v1/consents": "contacts:write",
    "POST /v1/consents/batch": "contacts:write",
    "POST /v1/consents/search": "contacts:read",
    "GET /v1/consents": "contacts:read",
    "GET /v1/consents/{id}": "contacts:read",
    "POST /v1/consents/{id}/copies": "contacts:write",
    "POST /v1/contact-imports": "contacts:write",
    "GET /v1/contact-imports/{id}": "contacts:write",
    "GET /v1/contact-imports/{id}/refused": "contacts:write",
    "POST /v1/contact-imports/{id}/void": "admin",
    "POST /v1/contracts": "contacts:write",
    "POST /v1/contracts/batch": "contacts:write",
    "POST /v1/contracts/search": "contacts:read",
    "GET /v1/contracts/{id}": "contacts:read",
    "POST /v1/attempts": "contacts:write",
    "POST /v1/attempts/batch": "contacts:write",
    "POST /v1/attempts/search": "contacts:read",
    "POST /v1/profiles": "contacts:write",
    "POST /v1/profiles/batch": "contacts:write",
    "POST /v1/profiles/search": "contacts:read",
    "POST /v1/erasures": "admin",
    "GET /v1/erasures/{id}": "admin",
    "GET /v1/journal": "journal:read",
    "GET /v1/journal/digest": "journal:read",
    "GET /v1/snapshot": "journal:read",
    "POST /v1/acknowledgements": "journal:read",
    "POST /v1/outcomes": "journal:read",
    "POST /v1/databases": "admin",
    "GET /v1/databases": "parties:read",
    "GET /v1/databases/{slug}": "parties:read",
    "PATCH /v1/databases/{slug}": "parties:write",
    "DELETE /v1/databases/{slug}": "admin",
    "POST /v1/databases/{slug}/ping": "parties:write",
    "POST /v1/databases/{slug}/pause": "parties:write",
    "POST /v1/databases/{slug}/resume": "parties:write",
    "POST /v1/databases/{slug}/rotate-secret": "parties:write",
    "POST /v1/databases/{slug}/replay": "parties:write",
    "GET /v1/databases/{slug}/attempts": "parties:read",
    "GET /v1/databases/{slug}/parked": "parties:read",
    "GET /v1/databases/{slug}/report": "parties:read",
    "GET /v1/report": "parties:read",
    "POST /v1/brands": "parties:write",
    "GET /v1/policies": "parties:read",
    "POST /v1/policies/evaluate": "parties:read",
    "GET /v1/brands": "parties:read",
    "GET /v1/brands/{slug}": "parties:read",
    "PATCH /v1/brands/{slug}": "parties:write",
    "POST /v1/parties": "parties:write",
    "GET /v1/parties": "parties:read",
    "GET /v1/parties/{slug}": "parties:read",
    "PATCH /v1/parties/{slug}": "parties:write",
    "POST /v1/channels": "parties:write",
    "GET /v1/channels": "parties:read",
    "GET /v1/channels/{slug}": "parties:read",
    "PATCH /v1/channels/{slug}": "parties:write",
    "POST /v1/keys": "admin",
    "GET /v1/keys": "admin",
    "GET /v1/keys/{id}": "admin",
    "DELETE /v1/keys/{id}": "admin",
    "GET /v1/audit": "evidence:read",
    "GET /v1/inbound": "parties:read",
    "GET /v1/inbound-events": "opt-outs:read",
    "GET /v1/inbound-reviews": "admin",
    "POST /v1/inbound-reviews/{id}/confirm": "admin",
    "POST /v1/inbound-reviews/{id}/void": "admin",
}
FOR_DATABASES = {
    "GET /v1/journal",
    "GET /v1/journal/digest",
    "GET /v1/snapshot",
    "POST /v1/acknowledgements",
    "POST /v1/outcomes",
}
"""Routes that only a key bound to a database may use, for the journal is read as one."""

PUBLIC = {
    "GET /healthz",
    "HEAD /healthz",
    "GET /readyz",
    "HEAD /readyz",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/assets/{name}",
    "GET /problems/{slug}",
    "GET /sign-in",
    "POST /sign-in",
    "GET /invited/{ticket}",
    "POST /invited/{ticket}",
    "GET /static/{mark}/{name}",
    "GET /copy/{token}",
    "GET /copy/{token}/consent.txt",
    "GET /p/{token}/records",
    "POST /p/{token}/copies",
    "GET /p/{token}",
    "POST /p/{token}",
    "GET /p/{token}/saved",
    "GET /p/{token}/saved/{id}",
    "GET /p/{token}/told/{id}",
    "GET /sign-in/lost",
    "POST /sign-in/lost",
    "GET /p/{token}/asked",
    "POST /p/{token}/confirm",
    "GET /c/{token}",
    "POST /c/{token}",
    "GET /u/{token}",
    "POST /u/{token}",
    "GET /objection",
    "POST /objection",
    "POST /v1/inbound/{dialect}/{channel}",
}


class Key(NamedTuple):
    """One column of the matrix."""

    scope: Scope
    bound_to: str | None
    client: httpx.AsyncClient

    def is_let_in(self, route: str) -> bool:
        """Tell what the contract says."""
        bound_right = route not in FOR_DATABASES or self.bound_to == "database"
        return self.scope in (ROUTES[route], "admin") and bound_right


@pytest.fixture
async def keys(caller: Caller, admin: httpx.AsyncClient, database: Database) -> list[Key]:
    """Make a key for every scope and binding."""
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/channels", CHANNEL)
    await with_database(database, "d")
    made_keys = []
    for scope in SCOPES:
        made_keys += [
            Key(scope, None, await caller(scope)),
            Key(scope, "channel", await caller(scope, channel="mailer")),
            Key(scope, "database", await caller(scope, bound_to="d")),
        ]
    return made_keys


def routes_of(app: FastAPI) -> set[str]:
    """List what the app serves, as ``METHOD /path``."""
    return {
        f"{method} {(route.path or '').replace(':uuid}', '}')}"
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }


async def ask(client: httpx.AsyncClient, route: str) -> httpx.Response:
    """Ask a route for nothing in particular."""
    method, template = route.split()
    path = template.replace("{slug}", "none").replace("{id}", str(UUID(int=7)))
    return await client.request(method, path, json={} if method in ("POST", "PATCH") else None)


def test_each_page_asks_for_the_role_of_the_table(app: FastAPI) -> None:
    asked = {
        f"{method} {route.path}": part.call.role
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        for part in (route.dependant.dependencies if route.dependant else ())
        if isinstance(part.call, PeopleDoor)
    }
    assert asked == PAGES


def test_every_route_stands_in_the_table(app: FastAPI) -> None:
    assert routes_of(app) - PUBLIC - PAGES.keys() == set(ROUTES)


def test_the_reference_tells_each_route_s_scope(app: FastAPI) -> None:
    documented = {
        f"{method.upper()} {path}": operation["security"]
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "security" in operation
    }
    served = routes_of(app) - PUBLIC - PAGES.keys()
    assert documented == {route: [{"key": [ROUTES[route]]}] for route in served}


async def test_a_key_opens_no_page(admin: httpx.AsyncClient) -> None:
    for route in sorted(PAGES):
        answer = await ask(admin, route)
        # Sent to sign in, or told that the form is none of ours.
        assert (route, answer.status_code) in {(route, 303), (route, 403)}


async def test_without_a_key_every_route_is_401(app: FastAPI, client: httpx.AsyncClient) -> None:
    for route in sorted(routes_of(app) - PUBLIC - PAGES.keys()):
        answer = await ask(client, route)
        assert (route, answer.status_code) == (route, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="optout"'
        assert problem(answer) == {
            "type": "/problems/unauthenticated",
            "title": "A valid key is needed",
            "status": 401,
            "detail": "Send the header Authorization: Bearer <key>.",
        }


async def test_no_route_with_a_key_leaves_a_parameter_unheeded(
    app: FastAPI, admin: httpx.AsyncClient, caller: Caller, database: Database
) -> None:
    """A new route needs nothing for it: ``?dry_run=true`` that records is what nobody wants."""
    await made(admin, "/v1/parties", PARTY)
    await with_database(database, "d")
    everywhere = await caller("admin", bound_to="d")
    for route in sorted(routes_of(app) - PUBLIC - PAGES.keys()):
        answer = await ask(everywhere, f"{route}?surely_unknown=1")
        assert (route, answer.status_code) == (route, 422)
        unheeded = {"pointer": "/query/surely_unknown", "detail": "is not known here"}
        assert unheeded in problem(answer)["errors"], route


async def test_a_parameter_that_stands_twice_is_refused_as_only_one_can_count(
    admin: httpx.AsyncClient,
) -> None:
    answer = await admin.get("/v1/opt-outs?brand=a&limit=7&brand=b")
    assert answer.status_code == 422
    assert problem(answer)["errors"] == [
        {"pointer": "/query/brand", "detail": "stands twice, and only one can count"}
    ]


async def test_a_provider_may_append_parameters_to_its_door(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/inbound/sms/nobody?token=x&utm_source=provider")
    assert answer.status_code == 404


async def test_every_cell_of_routes_by_scopes_and_bindings(app: FastAPI, keys: list[Key]) -> None:
    served = sorted(routes_of(app) - PUBLIC - PAGES.keys())

    async def wrong(key: Key) -> AsyncIterator[str]:
        for route in served:
            answer = await ask(key.client, route)
            is_let_in = answer.status_code not in (401, 403)
            if is_let_in != key.is_let_in(route) or answer.status_code >= 500:
                yield f"{route} by {key.scope}, bound to {key.bound_to}: {answer.status_code}"

    assert [cell for key in keys async for cell in wrong(key)] == []


NOBODY_S = "optout_" + "a" * 43
UNKNOWN = "This key is unknown or revoked."
NO_BEARER = "The header Authorization must be: Bearer <key>."
BAD_KEYS = {
    f"Bearer {NOBODY_S}": UNKNOWN,
    f"bearer {NOBODY_S}": UNKNOWN,
    f"Bearer {NOBODY_S}\t{NOBODY_S}": UNKNOWN,
    "Bearer": UNKNOWN,
    "Bearer optout_": UNKNOWN,
    "Bearer optout_" + "\u00e9" * 43: UNKNOWN,
    "Bearer " + "x" * 8_000: UNKNOWN,
    "Bearer ' OR 1=1 --": UNKNOWN,
    "": NO_BEARER,
    NOBODY_S: NO_BEARER,
    f"Basic {NOBODY_S}": NO_BEARER,
    f"Bearer: {NOBODY_S}": NO_BEARER,
}


@pytest.mark.parametrize(("header", "told"), BAD_KEYS.items(), ids=range(len(BAD_KEYS)))
async def test_a_bad_key_is_401_and_told_so_without_being_repeated(
    client: httpx.AsyncClient, header: str, told: str
) -> None:
    answer = await client.get("/v1/brands", headers={b"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="optout", error="invalid_token"'
    assert problem(answer)["detail"] == told


async def test_a_lacking_scope_is_named(caller: Caller) -> None:
    answer = await (await caller("checks")).get("/v1/brands")
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="optout", error="insufficient_scope", scope="parties:read"'
    )
    assert problem(answer) == {
        "type": "/problems/forbidden",
        "title": "This key may not do that",
        "status": 403,
        "detail": "This key lacks the scope parties:read.",
    }


async def test_a_key_opens_whatever_the_case_of_bearer(admin: httpx.AsyncClient) -> None:
    _, key = admin.headers["Authorization"].split()
    headers = [{"Authorization": f"{scheme} {key}"} for scheme in ("Bearer", "bearer", "BEARER")]
    answers = await asyncio.gather(*(admin.get("/v1/brands", headers=one) for one in headers))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
