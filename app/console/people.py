"""The pages of people themselves who hold a link: their preferences, the single click.

No account, no cookie that follows anybody. Who holds the link may suppress at once.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Limit, count_try
from app.identifiers import mask
from app.intake import (
    BadLink,
    Confirmation,
    Link,
    Purpose,
    Receipt,
    choose,
    click,
    find_opt_out,
    open_link,
    points_of,
    read_choices,
    stop_everything,
)
from app.journal import ALL_MEDIA, EVERY_BRAND, Kind, Media
from app.parties import TheVault, list_brands, web_channel
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.refusals import NotFound
from app.platform.vault import Vault
from app.points import DefaultRegion, PointKeys, ThePointKeys

from .doors import Form, browser_of
from .letters import mail_confirmation
from .live import TOLD, Streams, event, say_until
from .pages import DeadLink, fill, go, page, pages
from .shown import told

preferences = pages("/p")
one_click = pages("/u")

_CLICKED = "One-Click"


class _Section(NamedTuple):
    """A brand with switches; the slug of every brand is empty, and it has no name."""

    number: int
    slug: str
    name: str | None


_MOST_BRANDS = 30
"""Brands with switches of their own on the page of a link for every brand; none if there are more.
"""
_MAILS = Limit(3, timedelta(hours=1))


@preferences.get("/{token}")
async def show_preferences(
    token: str, request: Request, keys: ThePointKeys, vault: TheVault
) -> Response:
    """Show how a person's contact points stand, and a switch for each medium."""
    return await _preferences(request, keys, vault, token, saved=None)


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
    link = await open_held(session, request, vault, token, "preferences")
    channel = await web_channel(session, vault, country=region, at=at)
    if "stop" in fields:
        receipt: Receipt | None = await stop_everything(session, keys, link, channel=channel, at=at)
    else:
        # Only what the form showed: a brand that it did not know of is left as it is.
        wanted = {
            brand.number: _switched_on(fields, brand)
            for brand in await _sections(session, keys, link)
            if f"shown:{brand.slug}" in fields
        }
        receipt = await choose(session, keys, link, wanted, channel=channel, at=at)
    saved = "" if receipt is None else f"/{receipt.opt_out.id}"
    return go(request, f"/p/{token}/saved{saved}")


def _switched_on(fields: Mapping[str, str], brand: _Section) -> Media:
    wanted = Media(0)
    for medium in ALL_MEDIA:
        if f"may-{medium.word}:{brand.slug}" in fields:
            wanted |= medium
    return wanted


@preferences.post("/{token}/confirm")
async def ask_to_confirm(
    token: str,
    request: Request,
    session: Session,
    keys: ThePointKeys,
    vault: TheVault,
    fields: Form,
) -> Response:
    """Mail the link's addresses, that they may answer whether they may be written to again."""
    at = now()
    link = await open_held(session, request, vault, token, "preferences")
    brands = {one.slug: one.number for one in await _sections(session, keys, link)}
    brand = brands.get(fields.get("brand", ""))
    addresses = [one for one in link.identifiers if one.kind is Kind.EMAIL]
    if brand is None or not addresses or not request.app.state.settings.mails:
        raise NotFound("There is nothing to confirm here.")
    for address in addresses:
        within = await count_try(
            session, f"confirm/{keys.digests.digest(address)[1].hex()}", _MAILS, at=at
        )
        if within:
            await mail_confirmation(session, request, vault, Confirmation(at, address, brand))
    return go(request, f"/p/{token}/asked")


@preferences.get("/{token}/asked")
async def show_asked(token: str, request: Request, keys: ThePointKeys, vault: TheVault) -> Response:
    """Say that a mail is on its way; the same if there were too many, or none can be written to."""
    return await _preferences(request, keys, vault, token, saved=None, asked=True)


@preferences.get("/{token}/saved")
async def show_saved(token: str, request: Request, keys: ThePointKeys, vault: TheVault) -> Response:
    """Say that the switches stand as they are shown."""
    return await _preferences(request, keys, vault, token, saved="")


@preferences.get("/{token}/saved/{id}")
async def show_saved_and_told(
    token: str,
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    keys: ThePointKeys,
    vault: TheVault,
) -> Response:
    """Say that what was asked counts, and how many have been told."""
    return await _preferences(request, keys, vault, token, saved=id)


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
        link = await open_held(session, request, vault, token, "preferences")
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
                yield TOLD
                return

    return StreamingResponse(lines(), media_type="text/event-stream")


async def _preferences(
    request: Request,
    keys: PointKeys,
    vault: Vault,
    token: str,
    *,
    saved: UUID | str | None,
    asked: bool = False,
) -> Response:
    at = now()
    state = None
    async with database_of(request).reading() as session:
        link = await open_held(session, request, vault, token, "preferences")
        sections = await _sections(session, keys, link)
        choices = await read_choices(session, keys, link, [one.number for one in sections])
        if isinstance(saved, UUID):
            await _require_own(session, keys, link, saved)
            opt_out = await find_opt_out(session, saved, channel=None)
            state = await told(session, opt_out, at=at)
    return await page(
        request,
        "preferences.html",
        address=f"/p/{token}",
        people=[mask(one) for one in link.identifiers],
        sections=list(zip(sections, choices, strict=True)),
        all_media=ALL_MEDIA,
        mails=request.app.state.settings.mails,
        asked=asked,
        saved=saved,
        told=state,
    )


async def _sections(session: AsyncSession, keys: PointKeys, link: Link) -> list[_Section]:
    """List the brands that have switches on a link's page, the one it is for first.

    Beside a brand's own stands every brand while something is suppressed for every one, so that
    *stop everything* can be taken back where it was said.
    """
    every = _Section(EVERY_BRAND, "", None)
    brands = await list_brands(session, limit=500)
    if link.brand == EVERY_BRAND:
        several = brands if 1 < len(brands) <= _MOST_BRANDS else []
        return [every, *(_Section(one.id, one.slug, one.name) for one in several)]
    own = [_Section(one.id, one.slug, one.name) for one in brands if one.id == link.brand]
    (wider,) = await read_choices(session, keys, link, [EVERY_BRAND])
    return [*own, every] if wider.suppressed else own


async def open_held(
    session: AsyncSession, request: Request, vault: Vault, token: str, purpose: Purpose
) -> Link:
    """Open the link that somebody holds.

    Raises:
        DeadLink: it does not count any more.
    """
    days = request.app.state.settings.link_days
    try:
        return await open_link(session, vault, token, purpose, days=days, at=now())
    except BadLink:
        raise DeadLink("This link does not count any more.") from None


async def _require_own(session: AsyncSession, keys: PointKeys, link: Link, opt_out: UUID) -> None:
    """See that an opt-out is about the link's own contact points."""
    about = {point.identifier for point in await points_of(session, keys, opt_out)}
    if not about & set(link.identifiers):
        raise NotFound("There is no such opt-out.")


@one_click.get("/{token}")
async def show_one_click(token: str, request: Request, vault: TheVault) -> Response:
    """Show a button and change nothing: link scanners follow every link of a mail."""
    async with database_of(request).reading() as session:
        link = await open_held(session, request, vault, token, "one-click")
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
    link = await open_held(session, request, vault, token, "one-click")
    channel = await web_channel(session, vault, country=region, at=at)
    await click(session, keys, link, channel=channel, at=at)
    return await page(
        request, "one_click.html", people=[mask(one) for one in link.identifiers], done=True
    )
