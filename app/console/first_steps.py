"""The first steps of an empty registry: brand, party, channel, database, a first opt-out."""

from typing import Annotated

from fastapi import Request, Response

from app.accounts import Role, Visit
from app.intake import OptOut, accept, find_opt_out, points_of
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Kind, Reason, read_head
from app.parties import TheDirectory, list_brands, list_channels, list_databases, list_parties
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.ids import new_id
from app.points import DefaultRegion, PointKeys, ThePointKeys, UnusableIdentifier, read_identifier

from .doors import Form, signed_in
from .forms import typed
from .lists import Asked
from .pages import go, page, pages, words_for
from .parties import CHANNEL_KINDS, PARTY_KINDS
from .shown import told

first_steps = pages("/first-steps")

Admin = Annotated[Visit, signed_in(Role.ADMIN)]

STEPS = ("brand", "party", "channel", "database", "opt_out")
FICTION = "06 39 98 00 01"
"""A number that the plan of numbers keeps for fiction: nobody has it."""
_ALL = 10_000
_NO_KEY = 0


@first_steps.get("")
async def show_first_steps(request: Request, visit: Admin, keys: ThePointKeys) -> Response:
    """Show which steps are done, and the form of the next one."""
    del visit
    return await _show(request, keys, refused=False)


async def _show(request: Request, keys: PointKeys, *, refused: bool) -> Response:
    t, asked = words_for(request), Asked(request)
    async with database_of(request).reading() as session:
        brands = await list_brands(session, limit=1)
        parties = await list_parties(session, limit=_ALL)
        channels = await list_channels(session, limit=_ALL)
        databases = await list_databases(session, limit=1)
        head = (await read_head(session)).position
        first, state, masked = asked.id("told"), None, ""
        if first is not None:
            opt_out = await find_opt_out(session, first, channel=None)
            masked = ", ".join(one.masked for one in await points_of(session, keys, first))
            state = await told(session, opt_out, at=now())
    done = (bool(brands), bool(parties), bool(channels), bool(databases), bool(head))
    left = [step for step, is_done in zip(STEPS, done, strict=True) if not is_done]
    return await page(
        request,
        "first_steps.html",
        status=422 if refused else 200,
        steps=list(zip(STEPS, done, strict=True)),
        next=left[0] if left else None,
        refused=refused,
        first=first,
        told=state,
        masked=masked,
        fiction=FICTION,
        parties=[(one.slug, one.name) for one in parties],
        channels=[(one.slug, one.name) for one in channels],
        party_kinds=[(kind, t(f"party.{kind}")) for kind in PARTY_KINDS],
        channel_kinds=[(kind, t(f"channel.{kind}")) for kind in CHANNEL_KINDS],
        countries=t.countries(),
    )


@first_steps.post("/opt-out")
async def record_first(
    request: Request,
    visit: Admin,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
    fields: Form,
) -> Response:
    """Record the first opt-out, to see everybody told of it."""
    at, who = now(), typed(fields, "who", most=400)
    try:
        kind = Kind.EMAIL if "@" in who else Kind.PHONE
        identifier = read_identifier(kind, who, region=region, pointer="/who")
    except UnusableIdentifier:
        return await _show(request, keys, refused=True)
    opt_out = OptOut(
        id=new_id(),
        recorded_at=at,
        occurred_at=at,
        channel=await directory.channel(fields.get("channel", "")),
        reason=Reason.OBJECTION,
        media=EVERY_MEDIUM,
        brand=EVERY_BRAND,
        key=_NO_KEY,
        recorded_by=visit.user.login,
        user=visit.user.id,
    )
    await accept(session, keys, opt_out, [identifier])
    return go(request, f"/first-steps?told={opt_out.id}")
