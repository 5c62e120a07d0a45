"""What nobody foresaw, as a browser and as a program are told it; without any database."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Response
from starlette.types import Message
from structlog.testing import capture_logs

from app.console import show_fault
from app.console.doors import Form
from app.console.pages import pages
from app.platform.db import Unavailable
from app.platform.web import Api
from tests.cups import SMALL
from tests.people import words_in

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
broken = pages("/broken")


@broken.get("/{how}")
async def break_down(how: str) -> Response:
    """Fail in a way that nobody foresaw."""
    if how == "database":
        raise ConnectionRefusedError("a secret")
    raise RuntimeError("a secret")


@broken.post("")
async def take(fields: Form) -> Response:
    """Take a form."""
    return Response(str(len(fields)))


@pytest.fixture(scope="module")
def api() -> Api:
    """Build an app that fails, without a database to ask."""
    return Api(SMALL, routers=[broken], show_fault=show_fault)


@pytest.fixture(scope="module")
async def web(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to it as a browser that is signed in as somebody, and reads French."""
    headers = {"accept": BROWSER, "accept-language": "fr", "x-request-id": "abc-1"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api),
        base_url="http://test",
        headers=headers,
        cookies={"optout_session": "somebody"},
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("how", "status", "says"),
    [
        ("fault", 500, "Le registre a échoué. Rien n"),
        ("database", 503, "Le registre ne peut pas répondre maintenant."),
    ],
)
async def test_a_browser_is_shown_a_page_with_the_reference_and_no_detail(
    how: str, status: int, says: str, web: httpx.AsyncClient
) -> None:
    shown = await web.get(f"/broken/{how}")
    assert shown.status_code == status
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in shown.headers["content-security-policy"]
    assert ("retry-after" in shown.headers) == (status == Unavailable.status)
    words = words_in(shown)
    assert says in words
    assert ("Référence : abc-1" in words) == (how == "fault")
    assert "secret" not in shown.text
    assert shown.text.count("<html") == 1


async def test_a_part_of_a_page_is_refused_within_it(web: httpx.AsyncClient) -> None:
    part = await web.get("/broken/fault", headers={"hx-request": "true"})
    assert part.status_code == 500
    assert "Le registre a échoué." in words_in(part)
    assert "<html" not in part.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=.5"])
async def test_a_program_is_told_the_problem(accept: str, web: httpx.AsyncClient) -> None:
    told = await web.get("/broken/fault", headers={"accept": accept})
    assert told.status_code == 500
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json()["instance"] == "urn:uuid:abc-1"


async def test_where_even_the_page_fails_the_problem_is_told() -> None:
    def fails(*_: object) -> None:
        raise KeyError("a secret")

    api = Api(SMALL, routers=[broken], show_fault=fails)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        told = await client.get("/broken/fault", headers={"accept": BROWSER})
    assert (told.status_code, told.json()["type"]) == (500, "/problems/fault")


async def test_a_browser_that_went_away_within_its_form_is_no_fault(api: Api) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"who=06", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/broken",
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    with capture_logs() as lines:
        await api(scope, receive, send)
    assert sent == []
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)], json.dumps(
        lines, default=str
    )
