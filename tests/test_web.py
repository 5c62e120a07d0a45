"""The web ground: what every request and every answer passes, and what is public."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import Depends
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message
from structlog.testing import capture_logs

from app.platform.db import Database, Session, _write_session, is_unavailable
from app.platform.edge import API_POLICY, ends_soon
from app.platform.public import DOCS_POLICY
from app.platform.web import Api, router
from tests.cups import SMALL, Poured, cups, cups_client, shown


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the small app."""
    async with cups_client() as client:
        yield client


# Requests and answers


@pytest.mark.parametrize("given", ["a", "A.b-c_9", "x" * 64])
async def test_a_request_id_is_echoed_and_names_the_instance(
    web: httpx.AsyncClient, given: str
) -> None:
    answer = await web.get("/nowhere", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given
    assert answer.json()["instance"] == f"urn:uuid:{given}"


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "<i>", "é"])
async def test_any_other_request_id_is_replaced_by_a_uuid_of_version_7(
    web: httpx.AsyncClient, given: str | None
) -> None:
    headers = {} if given is None else {b"X-Request-Id": given.encode()}
    answer = await web.get("/healthz", headers=headers)
    assert UUID(answer.headers["x-request-id"]).version == 7


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/nowhere", 404),
        ("PATCH", "/v1/cups", 405),
        ("DELETE", f"/v1/cups/{UUID(int=7)}", 500),
        ("POST", "/v1/cups", 422),
        ("PUT", "/v1/cups/socket", 503),
    ],
)
async def test_every_answer_keeps_browsers_and_caches_strict(
    web: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await web.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == API_POLICY


async def test_a_problem_of_a_room_is_shown_with_all_it_says(web: httpx.AsyncClient) -> None:
    answer = await web.post("/v1/cups", json={"name": "busy"})
    assert answer.status_code == 409
    assert shown(answer) == {
        "type": "/problems/teapot-busy",
        "title": "The teapot is busy",
        "detail": "Wait.",
        "errors": [{"pointer": "/name", "detail": "pours"}],
        "next": "/v1/cups",
    }


async def test_allow_names_the_methods_of_all_routes_of_an_address(web: httpx.AsyncClient) -> None:
    answer = await web.patch(f"/v1/cups/{UUID(int=7)}")
    assert answer.headers["allow"] == "DELETE, GET, PUT"
    assert shown(answer)["type"] == "/problems/method-not-allowed"


async def test_what_nobody_foresaw_is_logged_and_told_to_nobody(
    web: httpx.AsyncClient,
) -> None:
    with capture_logs() as lines:
        answer = await web.delete(f"/v1/cups/{UUID(int=7)}")
    assert answer.status_code == 500
    assert shown(answer) == {
        "type": "/problems/fault",
        "title": "The registry failed",
        "detail": "The registry failed; nothing is confirmed. Report the instance.",
    }
    failed, request = lines
    assert failed["event"] == "request failed"
    assert failed["exc_info"]
    assert request["status"] == 500


@pytest.mark.parametrize("how", ["socket", "refused", "full", "slow"])
async def test_an_absent_database_is_503_with_a_time_to_ask_again(
    web: httpx.AsyncClient, how: str
) -> None:
    answer = await web.put(f"/v1/cups/{how}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert shown(answer)["type"] == "/problems/unavailable"


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InvalidPasswordError("a rotation is under way"),
        asyncpg.InvalidCatalogNameError("a restore is under way"),
        asyncpg.ReadOnlySQLTransactionError("another server is the primary now"),
        asyncpg.DiskFullError("no room left"),
    ],
    ids=lambda error: error.sqlstate,
)
def test_what_operators_do_to_a_database_makes_it_absent_and_not_us_broken(
    error: asyncpg.PostgresError,
) -> None:
    wrapped = DBAPIError("SELECT 1", {}, error)
    assert is_unavailable(error)
    assert is_unavailable(wrapped)


# What is public


async def test_the_process_lives_without_a_database(web: httpx.AsyncClient) -> None:
    assert (await web.get("/healthz")).json() == {"status": "ok"}
    assert (await web.head("/healthz")).status_code == 200, "what watches often asks so"


async def test_a_process_is_ready_where_the_schema_fits(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_process_on_an_empty_database_is_not_ready_and_says_what_to_run(
    empty_url: str,
) -> None:
    api = Api(SMALL, routers=[])
    api.state.database = Database.open(empty_url, SMALL)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://test"
    ) as client:
        answer = await client.get("/readyz")
    await api.state.database.close()
    assert answer.status_code == 503
    document = shown(answer)
    assert document["type"] == "/problems/not-ready"
    assert "optout migrate --init" in document["detail"]


async def test_a_process_without_its_database_lives_and_is_not_ready() -> None:
    api = Api(SMALL, routers=[])
    api.state.database = Database.open("postgresql://nobody@127.0.0.1:1/nowhere", SMALL)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://test"
    ) as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
    await api.state.database.close()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert shown(answer)["type"] == "/problems/unavailable"


async def test_the_reference_loads_nothing_from_elsewhere(web: httpx.AsyncClient) -> None:
    page = await web.get("/docs")
    assert page.headers["content-security-policy"] == DOCS_POLICY
    assert not re.search(r"<script(?! src=)|<style|style=|https?://", page.text)
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(loaded) == 3
    for address in loaded:
        answer = await web.get(address, headers={"Accept-Encoding": "identity"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert b"sourceMappingURL" not in answer.content
        assert "max-age" in answer.headers["cache-control"]
        zipped = await web.get(address, headers={"Accept-Encoding": "gzip"})
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.content == answer.content
    assert (await web.get("/docs/assets/../docs.html")).status_code == 404


async def test_a_kind_of_problem_explains_itself_to_machines_and_people(
    web: httpx.AsyncClient,
) -> None:
    assert (await web.get("/problems/teapot-busy")).json() == {
        "type": "/problems/teapot-busy",
        "title": "The teapot is busy",
        "status": 409,
        "description": "The teapot pours elsewhere.",
    }
    page = await web.get("/problems/teapot-busy", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>The teapot is busy</h1>" in page.text
    assert shown(await web.get("/problems/unheard-of"))["type"] == "/problems/not-found"


async def test_the_reference_names_the_refusals_that_follow_from_what_a_route_takes(
    web: httpx.AsyncClient,
) -> None:
    paths = (await web.get("/openapi.json")).json()["paths"]
    assert sorted(paths["/v1/cups"]["post"]["responses"]) == ["201", "409", "413", "422"]
    assert sorted(paths["/v1/cups"]["get"]["responses"]) == ["200", "422"]
    assert sorted(paths["/v1/cups/{number}"]["get"]["responses"]) == ["200", "404", "422"]
    conflict = paths["/v1/cups"]["post"]["responses"]["409"]
    assert conflict["description"] == "`teapot-busy`: The teapot is busy"


# The commit comes before the answer

AfterTheAnswer = Annotated[AsyncSession, Depends(_write_session)]
"""What a session would be without the word ``scope="function"``."""

ledger = router("/v1/ledger", "ledger")
INSERT = sql("INSERT INTO ledger (number) VALUES (1), (1)")


@ledger.post("/right", status_code=201)
async def write_right(session: Session) -> Poured:
    """Write what the commit will refuse."""
    await session.execute(INSERT)
    return Poured(name="written", poured_at=None)


@ledger.post("/wrong", status_code=201)
async def write_wrong(session: AfterTheAnswer) -> Poured:
    """Write the same with FastAPI's default scope."""
    await session.execute(INSERT)
    return Poured(name="written", poured_at=None)


async def test_a_failed_commit_is_never_answered_with_a_receipt(database: Database) -> None:
    api = Api(SMALL, routers=[ledger])
    api.state.database = database
    async with database.transaction() as session:
        await session.execute(
            sql("CREATE TABLE ledger (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        )
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post("/v1/ledger/right")).status_code == 500
        # The same commit fails here, and the caller is told that it did not: this is what the
        # scope of ``Session`` is for, and that this test can tell.
        assert (await client.post("/v1/ledger/wrong")).status_code == 201
    async with database.reading() as session:
        assert await session.scalar(sql("SELECT count(*) FROM ledger")) == 0


# The end of a process


@pytest.mark.parametrize("ending", [True, False])
async def test_a_request_that_the_end_of_its_process_breaks_off_is_answered_503(
    *, ending: bool
) -> None:
    app, asked = Api(SMALL, routers=[cups]), asyncio.Event()
    sent: list[Message] = []

    async def receive() -> Message:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/cups", "headers": headers}
    with capture_logs() as lines:
        request = asyncio.create_task(app(scope | {"query_string": b""}, receive, send))
        await asked.wait()
        if ending:
            ends_soon(app)
        request.cancel()
        await asyncio.wait([request])
    assert request.cancelled() != ending
    assert [message.get("status") for message in sent] == ([503, None] if ending else [])
    assert [line["event"] for line in lines] == ["request"], "and no fault"
