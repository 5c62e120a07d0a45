"""The routes of the doors for machines: what providers post, and what became of it."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from app.parties import (
    Caller,
    TheDirectory,
    ThePurpose,
    TheReads,
    UnknownChannel,
    requires,
)
from app.platform.clock import now
from app.platform.db import ReadSession, Unavailable
from app.platform.openapi import responses
from app.platform.pages import Page, PageQuery, cut
from app.platform.problems import Problem
from app.platform.web import StrictRequest, router
from app.platform.wire import Slug
from app.points import DefaultRegion, ThePointKeys

from .dialects import Dialect, Outcome
from .dialects import Request as Spoken
from .inbound import BadSignature, Doors, UnreadableEvents
from .inbound_doors import view_doors
from .inbound_events import Wanted, list_events
from .inbound_models import DoorOut, EventOut, EventQuery
from .inbound_room import Take

_SECONDS = 30.0
"""How long a body may take to arrive."""

doors = router("/v1/inbound", "inbound")
events = router("/v1/inbound-events", "inbound")
ROUTERS = (doors, events)


class RequestTooSlow(Problem):
    """The request's body did not arrive within thirty seconds. Nothing was recorded."""

    type = "request-too-slow"
    title = "The request did not arrive in time"
    status = 408


async def _doors_of(request: Request) -> Doors:
    found = request.app.state.doors
    if not isinstance(found, Doors):
        raise TypeError("the app was started without doors")
    return found


TheDoors = Annotated[Doors, Depends(_doors_of)]
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "As the provider sends it",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@doors.post(
    "/{dialect}/{channel}",
    openapi_extra=_BODY,
    response_class=Response,
    responses={
        200: {"description": "Taken; the body is what the provider expects"},
        **responses(BadSignature, UnreadableEvents, RequestTooSlow, Unavailable),
    },
)
async def receive_events(
    dialect: Slug, channel: Slug, request: Request, doors: TheDoors
) -> Response:
    """Take what a provider sends, signed as it signs: no key is asked for.

    Every objection in it is recorded before the answer. The same event again changes nothing; one
    that cannot be read is listed and holds up no other. Events of one request count in the order
    in which they occurred. Of several requests the later one finds what stands: an unsubscribe
    that arrives after a later resubscribe still blocks.
    """
    found, spoken = await doors.open(dialect, channel)
    with doors.room.hold() as take:
        body = await _read(request, spoken, take)
        reply = await doors.receive(found, spoken, _spoken(request, body))
    return Response(reply.body, reply.status, media_type=reply.media_type)


@doors.get("")
async def list_doors(
    query: Annotated[PageQuery, Query()],
    caller: Annotated[Caller, requires("parties:read")],
    session: ReadSession,
    request: Request,
) -> Page[DoorOut]:
    """List the channels that providers speak to, and what each received, recorded and refused.

    A key bound to a channel sees its own.
    """
    after = query.after(int)
    silent_after = timedelta(hours=request.app.state.settings.inbound_silent_hours)
    start = 0 if after is None else int(after[0])
    rows = [
        one
        for one in await view_doors(session, now(), silent_after=silent_after, after=start)
        if caller.channel in (None, one.channel.id)
    ]
    page, next_cursor = cut(rows, query.limit, lambda one: (one.channel.id,))
    return Page(items=[DoorOut.of(one) for one in page], next_cursor=next_cursor)


@events.get("", responses=responses(UnknownChannel))
async def list_inbound_events(
    query: Annotated[EventQuery, Query()],
    caller: Annotated[Caller, requires("opt-outs:read")],
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
    reads: TheReads,
    purpose: ThePurpose,
) -> Page[EventOut]:
    """List the events that providers brought, the latest first, for OPTOUT_INBOUND_DAYS.

    Those that are no objection, and those that came before, are counted at their door alone. A
    key bound to a channel sees its own.
    """
    channel = caller.channel
    if query.channel is not None:
        channel = await directory.channel(query.channel, "/query/channel")
        caller.speak_for(channel)
    outcome = None if query.outcome is None else Outcome.of(query.outcome)
    wanted = Wanted(channel, outcome, query.review, query.since)
    after = query.after(UUID)
    before = None if after is None else after[0]
    rows = await list_events(session, keys.vault, wanted, before=before, limit=query.limit + 1)
    page, next_cursor = cut(rows, query.limit, lambda row: (row.id,))
    subject = "inbound" if channel is None else f"channel:{await directory.channel_slug(channel)}"
    await reads.note(
        caller, "inbound-events.listed", subject, rows=len(page), purpose=purpose, at=now()
    )
    items = [
        EventOut.of(one, await directory.channel_slug(one.channel), region=region) for one in page
    ]
    return Page(items=items, next_cursor=next_cursor)


async def _read(request: Request, dialect: Dialect, take: Take) -> bytes:
    """Read a body of what its dialect takes at most, within the time and the room that there are.

    Raises:
        RequestTooSlow: it did not arrive in time.
        Unavailable: too many bodies are under way.
    """
    if isinstance(request, StrictRequest):
        request.limit = dialect.most_bytes
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for piece in request.stream():
                take(len(piece))
                body += piece
    except TimeoutError:
        raise RequestTooSlow("The body did not arrive within 30 seconds; send it again.") from None
    return bytes(body)


def _spoken(request: Request, body: bytes) -> Spoken:
    settings = request.app.state.settings
    base = (settings.public_url or settings.url).rstrip("/")
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Spoken(f"{base}{request.url.path}{query}", headers, body)
