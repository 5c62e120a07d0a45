"""A small app made of the web ground's parts, on which its tests stand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import Query
from pydantic import Field

from app.platform.openapi import responses
from app.platform.pages import PageQuery
from app.platform.problems import FieldError, Problem
from app.platform.web import Api, BatchRoute, router
from app.platform.wire import Answer, Flag, Instant, Slug, Whole, WireModel, text
from app.settings import Settings

NUMBER = "+33639980001"
SMALL = Settings(max_body_bytes=4_096, max_batch_body_bytes=16_384)


class TeapotBusy(Problem):
    """The teapot pours elsewhere."""

    type = "teapot-busy"
    title = "The teapot is busy"
    status = 409


class Cup(WireModel):
    """One field of each type of the wire."""

    name: Annotated[str, text(20)]
    blend: Slug | None = None
    poured_at: Instant | None = None
    sugar: Whole = 0
    milk: Flag = False
    notes: Annotated[list[Annotated[str, text(5)]], Field(max_length=3)] | None = None


class Poured(Answer):
    """What was read."""

    name: str
    poured_at: Instant | None


cups = router("/v1/cups", "cups")
trays = router("/v1/trays", "cups", route_class=BatchRoute)


@cups.post("", status_code=201, responses=responses(TeapotBusy))
async def pour(cup: Cup) -> Poured:
    """Pour a cup."""
    if cup.name == "busy":
        raise TeapotBusy("Wait.", errors=[FieldError("/name", "pours")], extra={"next": "/v1/cups"})
    return Poured(name=cup.name, poured_at=cup.poured_at)


@cups.get("")
async def list_cups(query: Annotated[PageQuery, Query()]) -> Poured:
    """List the cups."""
    return Poured(name=str(query.limit), poured_at=None)


@cups.get("/{number}")
async def show_cup(number: UUID) -> Poured:
    """Show a cup."""
    return Poured(name=str(number), poured_at=None)


@cups.delete("/{number}")
async def break_cup(number: UUID) -> Poured:
    """Fail in a way nobody foresaw, with a contact point in the message."""
    raise LookupError(f"no cup {number} for {NUMBER}")


@cups.put("/{how}")
async def lose_database(how: str) -> Poured:
    """Fail as an absent PostgreSQL does."""
    raise {
        "socket": FileNotFoundError("the socket is gone"),
        "refused": ConnectionRefusedError("nobody listens"),
        "full": asyncpg.TooManyConnectionsError("53300"),
        "slow": asyncpg.QueryCanceledError("57014"),
    }[how]


@trays.post("")
async def pour_tray(tray: list[Cup]) -> Poured:
    """Pour many cups."""
    return Poured(name=str(len(tray)), poured_at=None)


@asynccontextmanager
async def cups_client() -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the small app."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Api(SMALL, routers=[cups, trays])), base_url="http://test"
    ) as client:
        yield client


def shown(answer: httpx.Response) -> dict[str, Any]:
    """Read a problem, whose members every problem has."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document.pop("status") == answer.status_code
    assert document.pop("instance") == f"urn:uuid:{answer.headers['x-request-id']}"
    return document
