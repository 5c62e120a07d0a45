"""The open form: whoever has no link says what must not be called or written to.

Anybody may silence anybody, for blocking too much is the safe side; so it is limited, heard of
when it surges, and undone by the interval (``/v1/unverified-opt-outs/void``).
"""

from datetime import datetime, timedelta

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Limit, address_block, count_try
from app.intake import Confirmation, object_openly
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Kind, Media
from app.parties import TheVault, web_channel
from app.platform.alarms import raise_alarm
from app.platform.clock import now
from app.platform.db import database_of
from app.points import (
    DefaultRegion,
    PointKeys,
    ThePointKeys,
    UnusableIdentifier,
    read_identifier,
)

from .doors import Form
from .letters import mail_confirmation
from .pages import page, pages

objection = pages("/objection")

_PER_BLOCK = Limit(20, timedelta(hours=1))
_IN_ALL = Limit(2_000, timedelta(hours=1))
_USUAL = Limit(200, timedelta(hours=1))
"""More than that in all is a surge, of which the operators hear once an hour."""
_ONE_ALARM = Limit(1, timedelta(hours=1))
_ONE_MAIL = Limit(1, timedelta(days=1))
"""To one address: the form must not be a way to have somebody written to."""
_SCOPES = {
    "all": EVERY_MEDIUM,
    "calls": Media.VOICE,
    "messages": Media.SMS | Media.MESSAGING,
    "email": Media.EMAIL,
}


@objection.get("")
async def show_objection(request: Request) -> Response:
    """Ask somebody without a link what must not be called or written to."""
    return await _form(request, "ask")


@objection.post("")
async def take_objection(
    request: Request, keys: ThePointKeys, vault: TheVault, region: DefaultRegion, fields: Form
) -> Response:
    """Block whatever was given, at once; the answer is the same whoever it is."""
    at, database = now(), database_of(request)
    who, scope = fields.get("who", "").strip()[:400], fields.get("scope", "all")
    async with database.transaction() as session:
        within = await _count(session, request, at)
    if not within:
        return await _form(request, "tries", who, scope, status=429)
    kind = Kind.EMAIL if "@" in who else Kind.PHONE
    try:
        identifier = read_identifier(kind, who, region=region, pointer="/who")
    except UnusableIdentifier:
        return await _form(request, "unusable", who, scope, status=422)
    media = _SCOPES.get(scope, EVERY_MEDIUM)
    async with database.transaction() as session:
        channel = await web_channel(session, vault, country=region, at=at)
        receipt = await object_openly(session, keys, identifier, media, channel=channel, at=at)
        asked = Confirmation(at, identifier, EVERY_BRAND, receipt.opt_out.id)
        await _ask_to_confirm(session, request, keys, asked)
    return await _form(request, "done")


async def _count(session: AsyncSession, request: Request, at: datetime) -> bool:
    """Count a request, and tell whether it is within the limits; a surge is heard of."""
    block = address_block(request.client.host if request.client else "")
    within = await count_try(session, f"objection-from/{block}", _PER_BLOCK, at=at)
    within &= await count_try(session, "objection", _IN_ALL, at=at)
    usual = await count_try(session, "objection-usual", _USUAL, at=at)
    if not usual and await count_try(session, "objection-surge", _ONE_ALARM, at=at):
        await raise_alarm(session, "objections.surge", at, within_an_hour=_USUAL.most)
    return within


async def _ask_to_confirm(
    session: AsyncSession, request: Request, keys: PointKeys, asked: Confirmation
) -> None:
    """Mail the address, once a day, that whoever reads it may prove that it is theirs."""
    if asked.address.kind is not Kind.EMAIL or not request.app.state.settings.mails:
        return
    address = keys.digests.digest(asked.address)[1].hex()
    if await count_try(session, f"objection-mail/{address}", _ONE_MAIL, at=asked.asked_at):
        await mail_confirmation(session, request, keys.vault, asked)


async def _form(
    request: Request, state: str, who: str = "", scope: str = "all", *, status: int = 200
) -> Response:
    return await page(
        request,
        "objection.html",
        status=status,
        state=state,
        who=who,
        asked=scope,
        mails=request.app.state.settings.mails,
    )
