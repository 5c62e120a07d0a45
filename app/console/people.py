"""The pages of people themselves: their preferences, the single click, the open form.

No account, no cookie that follows anybody. Who holds the link may suppress at once.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Limit, address_block, count_try
from app.identifiers import mask
from app.intake import (
    BadLink,
    Link,
    Purpose,
    Receipt,
    choose,
    click,
    find_opt_out,
    object_openly,
    open_link,
    points_of,
    read_choice,
    stop_everything,
)
from app.journal import ALL_MEDIA, EVERY_BRAND, EVERY_MEDIUM, Kind, Media
from app.parties import Directory, TheDirectory, TheVault, find_brand, web_channel
from app.platform.alarms import raise_alarm
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.refusals import NotFound
from app.platform.vault import Vault
from app.points import (
    DefaultRegion,
    PointKeys,
    ThePointKeys,
    UnusableIdentifier,
    read_identifier,
)

from .doors import Form, browser_of
from .live import Streams, event, say_until
from .pages import fill, go, page, pages
from .shown import told

preferences = pages("/p")
one_click = pages("/u")
objection = pages("/objection")

_CLICKED = "One-Click"
_PER_BLOCK = Limit(20, timedelta(hours=1))
_IN_ALL = Limit(2_000, timedelta(hours=1))
_USUAL = Limit(200, timedelta(hours=1))
"""More than that in all is a surge, of which the operators hear once an hour."""
_ONE_ALARM = Limit(1, timedelta(hours=1))
_SCOPES = {
    "all": EVERY_MEDIUM,
    "calls": Media.VOICE,
    "messages": Media.SMS | Media.MESSAGING,
    "email": Media.EMAIL,
}


@preferences.get("/{token}")
async def show_preferences(
    token: str, request: Request, keys: ThePointKeys, vault: TheVault, directory: TheDirectory
) -> Response:
    """Show how a person's contact points stand, and a switch for each medium."""
    return await _preferences(request, keys, vault, directory, token, saved=None)


@preferences.post("/{token}")
async def save_preferences(
    token: str,
    request: Request,
    session: Session,
    keys: ThePointKeys,
    vault: TheVault,
    region: DefaultRegion,
    fields: Form,
) -> Response:
    """Take the switches as they stand now, or stop everything."""
    at = now()
    link = await _open(session, request, vault, token, "preferences")
    channel = await web_channel(session, vault, country=region, at=at)
    if "stop" in fields:
        receipt: Receipt | None = await stop_everything(session, keys, link, channel=channel, at=at)
    else:
        wanted = Media(0)
        for medium in ALL_MEDIA:
            if f"may-{medium.word}" in fields:
                wanted |= medium
        receipt = await choose(session, keys, link, wanted, channel=channel, at=at)
    saved = "" if receipt is None else f"/{receipt.opt_out.id}"
    return go(request, f"/p/{token}/saved{saved}")


@preferences.get("/{token}/saved")
async def show_saved(
    token: str, request: Request, keys: ThePointKeys, vault: TheVault, directory: TheDirectory
) -> Response:
    """Say that the switches stand as they are shown."""
    return await _preferences(request, keys, vault, directory, token, saved="")


@preferences.get("/{token}/saved/{id}")
async def show_saved_and_told(
    token: str,
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    keys: ThePointKeys,
    vault: TheVault,
    directory: TheDirectory,
) -> Response:
    """Say that what was asked counts, and how many have been told."""
    return await _preferences(request, keys, vault, directory, token, saved=id)


@preferences.get("/{token}/told/{id}")
async def tell_person_live(
    token: str,
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    keys: ThePointKeys,
    vault: TheVault,
) -> Response:
    """Tell how many have been told, as it happens."""
    database, browser = database_of(request), await browser_of(request)
    async with database.reading() as session:
        link = await _open(session, request, vault, token, "preferences")
        await _require_own(session, keys, link, id)
        opt_out = await find_opt_out(session, id, channel=None)
    streams: Streams = request.app.state.streams
    streams.require_room()

    async def lines() -> AsyncIterator[bytes]:
        async for _ in say_until(streams):
            async with database.reading() as session:
                state = await told(session, opt_out, at=now())
            yield event(fill(request, browser, "told_person.html", told=state, id=id))
            if state.silent:
                return

    return StreamingResponse(lines(), media_type="text/event-stream")


async def _preferences(
    request: Request,
    keys: PointKeys,
    vault: Vault,
    directory: Directory,
    token: str,
    *,
    saved: UUID | str | None,
) -> Response:
    at = now()
    state = None
    async with database_of(request).reading() as session:
        link = await _open(session, request, vault, token, "preferences")
        choice = await read_choice(session, keys, link)
        brand = None
        if link.brand != EVERY_BRAND:
            brand = (await find_brand(session, await directory.brand_slug(link.brand))).name
        if isinstance(saved, UUID):
            await _require_own(session, keys, link, saved)
            opt_out = await find_opt_out(session, saved, channel=None)
            state = await told(session, opt_out, at=at)
    return await page(
        request,
        "preferences.html",
        address=f"/p/{token}",
        people=[mask(one) for one in link.identifiers],
        brand=brand,
        media=[medium for medium in ALL_MEDIA if medium in link.carried],
        choice=choice,
        saved=saved,
        told=state,
    )


async def _open(
    session: AsyncSession, request: Request, vault: Vault, token: str, purpose: Purpose
) -> Link:
    days = request.app.state.settings.link_days
    try:
        return await open_link(session, vault, token, purpose, days=days, at=now())
    except BadLink:
        raise NotFound("This link does not count any more.") from None


async def _require_own(session: AsyncSession, keys: PointKeys, link: Link, opt_out: UUID) -> None:
    """See that an opt-out is about the link's own contact points."""
    about = {point.identifier for point in await points_of(session, keys, opt_out)}
    if not about & set(link.identifiers):
        raise NotFound("There is no such opt-out.")


@one_click.get("/{token}")
async def show_one_click(token: str, request: Request, vault: TheVault) -> Response:
    """Show a button and change nothing: link scanners follow every link of a mail."""
    async with database_of(request).reading() as session:
        link = await _open(session, request, vault, token, "one-click")
    return await page(
        request, "one_click.html", people=[mask(one) for one in link.identifiers], done=False
    )


@one_click.post("/{token}")
async def take_one_click(
    token: str,
    request: Request,
    session: Session,
    keys: ThePointKeys,
    vault: TheVault,
    region: DefaultRegion,
) -> Response:
    """Suppress at once, as RFC 8058 asks: the link alone is enough, no cookie and no token."""
    fields = await request.form(max_files=1, max_fields=10)
    if fields.get("List-Unsubscribe") != _CLICKED:
        return await page(request, "refused.html", status=422, why="request")
    at = now()
    link = await _open(session, request, vault, token, "one-click")
    channel = await web_channel(session, vault, country=region, at=at)
    await click(session, keys, link, channel=channel, at=at)
    return await page(
        request, "one_click.html", people=[mask(one) for one in link.identifiers], done=True
    )


@objection.get("")
async def show_objection(request: Request) -> Response:
    """Ask somebody without a link what must not be called or written to."""
    return await page(request, "objection.html", state="ask", who="")


@objection.post("")
async def take_objection(
    request: Request, keys: ThePointKeys, vault: TheVault, region: DefaultRegion, fields: Form
) -> Response:
    """Block whatever was given, at once; the answer is the same whoever it is."""
    at, database = now(), database_of(request)
    block = address_block(request.client.host if request.client else "")
    async with database.transaction() as session:
        within = await count_try(session, f"objection-from/{block}", _PER_BLOCK, at=at)
        within &= await count_try(session, "objection", _IN_ALL, at=at)
        usual = await count_try(session, "objection-usual", _USUAL, at=at)
        if not usual and await count_try(session, "objection-surge", _ONE_ALARM, at=at):
            await raise_alarm(session, "objections.surge", at, within_an_hour=_USUAL.most)
    who = fields.get("who", "").strip()[:400]
    if not within:
        return await page(request, "objection.html", status=429, state="tries", who=who)
    kind = Kind.EMAIL if "@" in who else Kind.PHONE
    try:
        identifier = read_identifier(kind, who, region=region, pointer="/who")
    except UnusableIdentifier:
        return await page(request, "objection.html", status=422, state="unusable", who=who)
    media = _SCOPES.get(fields.get("scope", "all"), EVERY_MEDIUM)
    async with database.transaction() as session:
        channel = await web_channel(session, vault, country=region, at=at)
        await object_openly(session, keys, identifier, media, channel=channel, at=at)
    return await page(request, "objection.html", state="done", who="")
