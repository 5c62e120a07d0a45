"""The routes of the reviews: what people said in their own words, for a named human to decide."""

from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query

from app.parties import Caller, TheDirectory, ThePurpose, TheReads, requires
from app.platform.clock import now
from app.platform.db import ReadSession, Session
from app.platform.idempotency import Once
from app.platform.openapi import responses
from app.platform.pages import Page, PageQuery, cut
from app.platform.web import router
from app.platform.wire import Answer, Instant, WireModel, text
from app.points import DefaultRegion, ThePointKeys

from .inbound_models import EventOut
from .inbound_reviews import (
    AlreadyReviewed,
    NothingToVoid,
    Review,
    Reviewed,
    confirm_review,
    list_reviews,
    void_review,
)

reviews = router("/v1/inbound-reviews", "inbound")
ROUTERS = (reviews,)

Admin = Annotated[Caller, requires("admin")]


class ReviewQuery(PageQuery):
    """Which reviews to list."""

    state: Literal["open", "decided"] = "open"


class ReviewOut(Answer):
    """What somebody said in their own words, and what a colleague decided about it."""

    event: EventOut
    said: str | None
    decision: Literal["confirmed", "voided"] | None
    decided_at: Instant | None
    decided_by: str | None

    @classmethod
    def of(cls, review: Review, channel: str, *, region: str) -> Self:
        """Show a review."""
        decided = review.voided is not None
        masked = None if review.masked is None else list(review.masked)
        event = EventOut.of(review.event, channel, region=region)
        return cls(
            event=event.model_copy(update={"identifiers": masked}),
            said=review.said,
            decision=("voided" if review.voided else "confirmed") if decided else None,
            decided_at=review.reviewed_at,
            decided_by=review.reviewed_by,
        )


class VoidReviewIn(WireModel):
    """Why it was no objection."""

    reason: Annotated[str, text(500)]


class DecidedOut(Answer):
    """When it was decided first; `position` is that of what changed now, if anything did."""

    id: UUID
    decided_at: Instant
    position: int | None


@reviews.get("")
async def list_inbound_reviews(
    query: Annotated[ReviewQuery, Query()],
    caller: Admin,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
    reads: TheReads,
    purpose: ThePurpose,
) -> Page[ReviewOut]:
    """List what people wrote or said that a colleague should look at, the oldest first.

    What says stop in other words blocks already; what was not understood (`unclear`) does not. A
    wish to be contacted again has changed nothing, and needs a reinstatement with its proof. The
    words are kept for OPTOUT_INBOUND_DAYS, and until somebody has decided.
    """
    after = query.after(UUID)
    found = await list_reviews(
        session,
        keys,
        is_open=query.state == "open",
        region=region,
        limit=query.limit + 1,
        after=None if after is None else after[0],
    )
    page, next_cursor = cut(found, query.limit, lambda one: (one.event.id,))
    await reads.note(
        caller, "inbound-reviews.listed", "inbound", rows=len(page), purpose=purpose, at=now()
    )
    items = [
        ReviewOut.of(one, await directory.channel_slug(one.event.channel), region=region)
        for one in page
    ]
    return Page(items=items, next_cursor=next_cursor)


@reviews.post("/{id}/confirm", responses=responses(AlreadyReviewed))
async def confirm_inbound_review(
    id: UUID,  # noqa: A002 - the name in the address
    caller: Admin,
    session: Session,
    keys: ThePointKeys,
    region: DefaultRegion,
    once: Once,
) -> DecidedOut:
    """Confirm that it was an objection, or that a wish to be contacted again was seen.

    What was not understood (`unclear`) is recorded now, for every medium and brand.
    """
    await once.replay(by=caller.key)
    decided = await confirm_review(session, keys, id, by=caller.actor, region=region, at=now())
    return await once.remember(_out(id, decided), status=200)


@reviews.post("/{id}/void", responses=responses(AlreadyReviewed, NothingToVoid))
async def void_inbound_review(
    id: UUID,  # noqa: A002 - the name in the address
    body: VoidReviewIn,
    caller: Admin,
    session: Session,
    once: Once,
) -> DecidedOut:
    """Void what was recorded, because it was no objection; what others laid goes on standing."""
    await once.replay(by=caller.key)
    decided = await void_review(session, id, by=caller.actor, reason=body.reason, at=now())
    return await once.remember(_out(id, decided), status=200)


def _out(event: UUID, decided: Reviewed) -> DecidedOut:
    return DecidedOut(id=event, decided_at=decided.at, position=decided.position)
