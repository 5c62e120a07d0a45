"""The route of parked entries: what a database refuses, and its main lane went on without."""

from typing import Annotated, Self

from fastapi import Query

from app.journal import Lane, ParkedEntry, list_parked
from app.parties import Caller, requires
from app.platform.db import ReadSession
from app.platform.pages import Page, PageQuery, cut
from app.platform.web import router
from app.platform.wire import Answer, Instant, Slug

from .databases import find_for
from .models import EntryLane, EntryType

parked_entries = router("/v1/databases", "databases")


class ParkedOut(Answer):
    """An entry that a database refuses by itself; it is not acknowledged until it is taken."""

    position: int
    type: EntryType
    lane: EntryLane
    recorded_at: Instant
    parked_at: Instant
    tries: int
    next_try_at: Instant
    error: str

    @classmethod
    def of(cls, entry: ParkedEntry) -> Self:
        """Show a parked entry."""
        return cls(
            position=entry.position,
            type=entry.change.word,
            lane="live" if entry.lane is Lane.LIVE else "bulk",
            recorded_at=entry.recorded_at,
            parked_at=entry.parked_at,
            tries=entry.tries,
            next_try_at=entry.due_at,
            error=entry.error,
        )


@parked_entries.get("/{slug}/parked")
async def read_parked(
    slug: Slug,
    query: Annotated[PageQuery, Query()],
    caller: Annotated[Caller, requires("parties:read")],
    session: ReadSession,
) -> Page[ParkedOut]:
    """List the entries that are parked for a database, in the order of the journal.

    Each was refused by itself while a ping was taken, and is tried again in the background, on the
    lane `express`, until it is taken; then it is in the list no more. `/resume` tries them at once.
    """
    database = await find_for(session, slug, caller)
    after = query.after(int)
    rows = await list_parked(
        session, database.id, after=0 if after is None else after[0], limit=query.limit + 1
    )
    page, next_cursor = cut(rows, query.limit, lambda row: (row.position,))
    return Page(items=[ParkedOut.of(one) for one in page], next_cursor=next_cursor)
