"""Reviews for the officer: what people said in their own words, to confirm or to void."""

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from app.accounts import Role, Visit, name_users
from app.intake import (
    AlreadyReviewed,
    Review,
    confirm_review,
    count_reviews,
    list_reviews,
    void_review,
)
from app.parties import TheReads, list_channels
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.points import DefaultRegion, PointKeys, ThePointKeys

from .doors import Form, signed_in
from .forms import typed
from .lists import PAGE, Asked
from .pages import go, page, pages

reviews = pages("/reviews")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_COUNTED = 1_000
_CHOICES = 10_000
_BY_USER = "user:"


@reviews.get("")
async def show_reviews(
    request: Request,
    visit: Officer,
    keys: ThePointKeys,
    region: DefaultRegion,
    reads: TheReads,
) -> Response:
    """List what waits for a look, the oldest first, or what was decided."""
    return await _show(request, visit, keys, region, reads, faults={})


async def _show(
    request: Request,
    visit: Visit,
    keys: PointKeys,
    region: str,
    reads: TheReads,
    *,
    faults: dict[UUID, str],
) -> Response:
    asked = Asked(request)
    is_open = asked.text("state") != "decided"
    after = asked.after(UUID)
    async with database_of(request).reading() as session:
        heard = await list_channels(session, limit=_CHOICES)
        channel = next((one.id for one in heard if one.slug == asked.text("channel")), None)
        found = await list_reviews(
            session,
            keys,
            is_open=is_open,
            region=region,
            limit=PAGE + 1,
            channel=channel,
            after=None if after is None else after[0],
        )
        count = await count_reviews(session)
        names = await name_users(session, _users_in(found))
    shown, following = asked.page(found, lambda one: (one.event.id,))
    await reads.note(
        visit.user, "inbound-reviews.listed", "inbound", rows=len(shown), purpose=None, at=now()
    )
    return await page(
        request,
        "reviews.html",
        status=422 if faults else 200,
        rows=shown,
        channels={one.id: one.name for one in heard},
        channel_choices=[(one.slug, one.name) for one in heard],
        people={f"{_BY_USER}{user}": name for user, name in names.items()},
        next=following,
        is_open=is_open,
        count=count,
        more=count >= _COUNTED,
        already="already" in request.query_params,
        faults=faults,
    )


def _users_in(found: list[Review]) -> list[UUID]:
    actors = {one.reviewed_by or "" for one in found}
    return [UUID(one.removeprefix(_BY_USER)) for one in actors if one.startswith(_BY_USER)]


@reviews.post("/{id}/confirm")
async def confirm_one(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    session: Session,
    keys: ThePointKeys,
    region: DefaultRegion,
    fields: Form,
) -> Response:
    """Say that it was an objection, or that a wish was seen."""
    del fields
    by = visit.user.actor
    try:
        await confirm_review(session, keys, id, by=by, region=region, at=now())
    except AlreadyReviewed:
        return go(request, "/reviews?already=1")
    return go(request, "/reviews")


@reviews.post("/{id}/void")
async def void_one(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Officer,
    session: Session,
    keys: ThePointKeys,
    region: DefaultRegion,
    reads: TheReads,
    fields: Form,
) -> Response:
    """Say that it was no objection, and why: what it recorded is voided."""
    reason = typed(fields, "reason", most=500)
    if not reason:
        faults = {id: "fault.missing"}
        return await _show(request, visit, keys, region, reads, faults=faults)
    await void_review(session, id, by=visit.user.actor, reason=reason, at=now())
    return go(request, "/reviews")
