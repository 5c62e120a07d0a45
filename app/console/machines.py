"""The doors for machines: whether the providers get through, and what came of what they brought."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Role, Visit
from app.intake import DOOR_STATES, DoorView, Outcome, Wanted, list_events, masked_of, view_doors
from app.parties import TheReads, list_parties
from app.platform.clock import now
from app.platform.db import database_of
from app.platform.refusals import NotFound
from app.platform.wire import Slug
from app.points import ThePointKeys

from .doors import signed_in
from .lists import PAGE, Asked
from .pages import page, pages, words_for

doors = pages("/doors")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_KEPT = (Outcome.RECORDED, Outcome.LIFTED, Outcome.REFUSED, Outcome.WAITING)
_EVERY_PARTY = 10_000


@doors.get("")
async def show_doors(request: Request, visit: Officer) -> Response:
    """List the channels that providers speak to, who must be looked at first."""
    del visit
    t, asked = words_for(request), Asked(request)
    async with database_of(request).reading() as session:
        found = await _doors(request, session)
        parties = {one.slug: one for one in await list_parties(session, limit=_EVERY_PARTY)}
    rank = {"refusing": 0, "silent": 1, "closed": 2}
    return await page(
        request,
        "machines.html",
        rows=sorted(
            (one for one in found if _wanted(one, asked)), key=lambda one: rank.get(one.state, 3)
        ),
        any_door=bool(found),
        parties=parties,
        party_choices=[
            (slug, parties[slug].name)
            for slug in sorted({one.channel.party for one in found})
            if slug in parties
        ],
        states=[(state, t(f"machines.{state}")) for state in DOOR_STATES],
        ends=Outcome,
    )


def _wanted(door: DoorView, asked: Asked) -> bool:
    return asked.text("state") in (None, door.state) and asked.text("party") in (
        None,
        door.channel.party,
    )


@doors.get("/{slug}")
async def show_door(
    request: Request, slug: Slug, visit: Officer, keys: ThePointKeys, reads: TheReads
) -> Response:
    """Show one door: its address, what came of what it received, and its latest events."""
    asked, settings = Asked(request), request.app.state.settings
    after = asked.after(UUID)
    async with database_of(request).reading() as session:
        found = {one.channel.slug: one for one in await _doors(request, session)}
        door = found.get(slug)
        if door is None:
            raise NotFound("No provider speaks to a channel of this name.")
        outcome = next((one for one in _KEPT if one.word == asked.text("outcome")), None)
        rows = await list_events(
            session,
            keys.vault,
            Wanted(door.channel.id, outcome),
            before=None if after is None else after[0],
            limit=PAGE + 1,
        )
    t, (shown, following) = words_for(request), asked.page(rows, lambda row: (row.id,))
    subject = f"channel:{slug}"
    await reads.note(
        visit.user, "inbound-events.listed", subject, rows=len(shown), purpose=None, at=now()
    )
    base = (settings.public_url or settings.url).rstrip("/")
    return await page(
        request,
        "machine.html",
        door=door,
        ends=Outcome,
        address=f"{base}/v1/inbound/{door.inbound.dialect}/{slug}",
        rows=[(one, masked_of(one, region=settings.default_region)) for one in shown],
        next=following,
        outcomes=[(one.word, t(f"machine.{one.word}")) for one in _KEPT],
        days=settings.inbound_days,
    )


async def _doors(request: Request, session: AsyncSession) -> list[DoorView]:
    silent_after = timedelta(hours=request.app.state.settings.inbound_silent_hours)
    return await view_doors(session, now(), silent_after=silent_after)
