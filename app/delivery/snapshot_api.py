"""The route of the snapshot: chosen in form and coding, paced, counted, noted in the audit."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field, model_validator
from starlette.types import Message, Send

from app.journal import Cursor, CursorExpired, JournalForked
from app.parties import (
    Caller,
    HeldKey,
    QuotaExceeded,
    Reads,
    TheDirectory,
    TheHeldKey,
    ThePurpose,
    TheReads,
    Unauthenticated,
    UnusualUse,
    charge,
    note,
)
from app.platform.clock import now
from app.platform.db import Database, database_of
from app.platform.logs import get_logger
from app.platform.openapi import RATE_LIMIT, responses
from app.platform.pages import BadCursor
from app.platform.web import router
from app.platform.wire import WireModel

from .codings import NotAcceptable, choose_coding, choose_type
from .feed import SNAPSHOT
from .journal_api import Follower
from .lines import SnapshotFormat
from .models import journal_cursor
from .snapshots import Held, Sending, Snapshots

snapshot = router(SNAPSHOT, "journal")

_FORMATS: dict[str, SnapshotFormat] = {"application/x-ndjson": "ndjson", "text/csv": "csv"}
_PATIENCE_SECONDS = 60.0
"""How long a reader may take for one piece, some 200 kB."""

log = get_logger(__name__)


class _Paced(StreamingResponse):
    """A list that is broken off when its reader stands still or his key ends; left when he goes."""

    async def stream_response(self, send: Send) -> None:
        """Send it piece by piece; one that is broken off lacks the end of the transfer."""

        async def timely(message: Message) -> None:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await send(message)

        try:
            await super().stream_response(timely)
        except TimeoutError:
            log.warning("a list was broken off, for its reader stood still")
        except Unauthenticated:
            log.warning("a list was broken off, for its key has ended")


@dataclass(frozen=True, slots=True)
class _Reading:
    """Who reads which list, and where that is noted."""

    database: Database
    reads: Reads
    caller: Caller
    key: HeldKey
    subject: str


async def _noted(
    pieces: AsyncGenerator[bytes], sending: Sending, reading: _Reading
) -> AsyncGenerator[bytes]:
    """Note how much was read: before the transfer is ended, or when it breaks off."""
    ended = False
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                await reading.key.require()
                yield piece
        async with reading.database.transaction() as session:
            actor = reading.caller.actor
            await note(session, actor, "snapshot.sent", reading.subject, now(), rows=sending.lines)
        ended = True
    finally:
        if not ended:
            # Nothing can be awaited by whoever is being cancelled: it is written with the next.
            reading.reads.add(
                reading.caller, "snapshot.cut-short", reading.subject, rows=sending.lines, at=now()
            )


class SnapshotQuery(WireModel):
    """Behind which line to go on, for a list that broke off; both or neither."""

    cursor: Annotated[
        str | None,
        journal_cursor(
            "The `Journal-Cursor` that came with what is held; it stays the one to follow the "
            "journal from"
        ),
    ] = None
    after: Annotated[
        int | None,
        Field(ge=1, lt=2**63, description="The `position` in the last whole line that is held"),
    ] = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.cursor is None) != (self.after is None):
            raise ValueError("cursor and after belong together")
        return self

    @property
    def held(self) -> Held | None:
        """What is held of the list.

        Raises:
            BadCursor: the cursor is none.
        """
        if self.cursor is None or self.after is None:
            return None
        return Held(Cursor.parse(self.cursor), self.after)


@snapshot.get(
    "",
    response_class=Response,
    responses={
        **responses(
            NotAcceptable, QuotaExceeded, UnusualUse, BadCursor, JournalForked, CursorExpired
        ),
        200: {
            "description": "The present list, a line for each contact point and brand.",
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
            },
            "headers": RATE_LIMIT
            | {
                "Journal-Cursor": {
                    "description": "The cursor to follow the journal from",
                    "schema": {"type": "string"},
                },
                "Optout-Erased": {
                    "description": "Entries left out because their values were erased",
                    "schema": {"type": "integer"},
                },
                "Optout-Lines-Expected": {
                    "description": "About how many lines there are at most, for a progress bar",
                    "schema": {"type": "integer"},
                },
            },
        },
    },
)
async def read_snapshot(
    request: Request,
    query: Annotated[SnapshotQuery, Query()],
    follower: Follower,
    directory: TheDirectory,
    reads: TheReads,
    purpose: ThePurpose,
    key: TheHeldKey,
) -> StreamingResponse:
    """Take the present list, then follow the journal from the header `Journal-Cursor`.

    NDJSON, or CSV where `Accept` prefers `text/csv`; packed with zstd or gzip where
    `Accept-Encoding` says so. Streamed in pages: what changes meanwhile stands in the journal
    after the cursor. A list is whole only where the transfer was ended, which every client of
    HTTP checks by itself: in HTTP/1.1 by the last chunk, in HTTP/2 by the end of the stream.
    One that was cut short ends in neither, and packed not in its coding's checksum either. Keep its
    whole lines, and ask for the rest with `cursor` and `after`.
    """
    accept = request.headers.get("accept")
    media_type = choose_type(accept, [*_FORMATS])
    coding = choose_coding(request.headers.get("accept-encoding"))
    written_as = _FORMATS[media_type]
    database, at = database_of(request), now()
    snapshots: Snapshots = request.app.state.snapshots
    begun = await snapshots.begin(follower.database, query.held)
    allowance = await charge(database, follower.caller.key, "snapshots", 1, at=at)
    subject = f"database:{await directory.database_slug(follower.database)}"
    said = {} if purpose is None else {"purpose": purpose}
    async with database.transaction() as session:
        actor = follower.caller.actor
        await note(session, actor, "snapshot.read", subject, at, format=written_as, **said)
    sending = Sending()
    reading = _Reading(database, reads, follower.caller, key, subject)
    noted = _noted(snapshots.stream(begun, written_as, coding, sending), sending, reading)
    headers = {
        "Journal-Cursor": begun.cursor,
        "Optout-Erased": str(begun.erased),
        "Optout-Lines-Expected": str(begun.expected),
        "Vary": "Accept, Accept-Encoding",
        **({} if allowance is None else allowance.headers),
        **({} if coding == "identity" else {"Content-Encoding": coding}),
    }
    charset = "; charset=utf-8" if written_as == "csv" else ""
    return _Paced(noted, media_type=f"{media_type}{charset}", headers=headers)
