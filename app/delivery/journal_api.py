"""The routes for databases that pull: the feed, and what they applied."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from app.journal import (
    Cursor,
    CursorExpired,
    JournalForked,
    Report,
    acknowledge,
    read_head,
    report,
    resolve,
)
from app.parties import Caller, Forbidden, TheDirectory, TheHeldKey, requires
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.openapi import responses
from app.platform.pages import BadCursor
from app.platform.problems import FieldError
from app.platform.refusals import InvalidRequest
from app.platform.web import router
from app.points import ThePointKeys

from . import models as wire
from .feed import SNAPSHOT, HeadWatch, Reader, read_follower

journal = router("/v1/journal", "journal")
acknowledgements = router("/v1/acknowledgements", "journal")
outcomes = router("/v1/outcomes", "journal")


@dataclass(frozen=True, slots=True)
class Following:
    """A caller, and the number of the database that its key follows the journal as."""

    caller: Caller
    database: int


async def _following(caller: Annotated[Caller, requires("journal:read")]) -> Following:
    if caller.database is None:
        raise Forbidden("The journal is read with a key that is bound to a database.")
    return Following(caller, caller.database)


Follower = Annotated[Following, Depends(_following)]
_FORKS = responses(BadCursor, JournalForked, CursorExpired)


@journal.get("", response_model=wire.FeedOut, responses=_FORKS)
async def read_journal(
    request: Request,
    query: Annotated[wire.JournalQuery, Query()],
    follower: Follower,
    keys: ThePointKeys,
    directory: TheDirectory,
    key: TheHeldKey,
) -> Response:
    """Follow the journal by a cursor: every change that concerns the key's database, in order.

    Each entry is the whole state of a contact point and brand; keep the highest version. With
    `wait` an empty answer is held back until there is an entry.
    """
    watch: HeadWatch = request.app.state.head_watch
    reader = Reader(database_of(request), keys, directory, watch, key)
    feed = await reader.read(
        follower.database,
        cursor=query.cursor,
        limit=query.limit,
        wait=query.wait,
        lane=query.only,
    )
    return Response(feed.body, media_type="application/json")


@acknowledgements.post("", responses=_FORKS)
async def acknowledge_entries(
    body: wire.AcknowledgementIn, follower: Follower, session: Session
) -> wire.AcknowledgementOut:
    """Say that everything up to a cursor is applied: the proof of propagation.

    An older cursor than before changes nothing.
    """
    try:
        cursor = Cursor.parse(body.cursor)
    except BadCursor:
        given_out = "Send the next_cursor or Journal-Cursor of what was applied, as it is."
        raise BadCursor("/cursor", given_out) from None
    state = await read_follower(session, follower.database)
    position, _ = await resolve(session, cursor, generation=state.generation, snapshot=SNAPSHOT)
    await acknowledge(session, follower.database, position, now())
    after = await read_follower(session, follower.database)
    return wire.AcknowledgementOut(acknowledged_position=after.scanned)


@outcomes.post("")
async def report_outcomes(
    body: wire.OutcomesIn, follower: Follower, session: Session
) -> wire.OutcomesOut:
    """Say what was done with some entries; a later word about one replaces an earlier one."""
    head = await read_head(session)
    faults = [
        FieldError(f"/outcomes/{number}/position", "is beyond the journal")
        for number, one in enumerate(body.outcomes)
        if one.position > head.position
    ]
    if faults:
        raise InvalidRequest("The journal does not reach these positions.", errors=faults[:50])
    await read_follower(session, follower.database)
    reports = {
        one.position: Report(one.position, one.outcome, one.applied_at, one.contacts_cancelled)
        for one in body.outcomes
    }
    await report(session, follower.database, reports, now())
    return wire.OutcomesOut(recorded=len(reports))
