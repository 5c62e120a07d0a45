"""Answering a mail: what was asked for without proof is confirmed by a button, never by a GET."""

from fastapi import Request, Response

from app.identifiers import mask
from app.intake import BadLink, Confirmation, confirm, open_confirmation
from app.journal import EVERY_BRAND
from app.parties import TheDirectory, TheVault, find_brand, web_channel
from app.platform.clock import now
from app.platform.db import database_of
from app.points import DefaultRegion, ThePointKeys
from app.registry import ObjectionIsNewer, WiderObjectionStands

from .doors import Form
from .pages import page, pages

confirming = pages("/c")


@confirming.get("/{token}")
async def show_confirmation(
    token: str, request: Request, vault: TheVault, directory: TheDirectory
) -> Response:
    """Say what is to be confirmed, and change nothing: link scanners follow every link."""
    async with database_of(request).reading() as session:
        try:
            asked = await open_confirmation(session, vault, token, at=now())
        except BadLink:
            return await _too_late(request)
        brand = None
        if asked.brand != EVERY_BRAND:
            brand = (await find_brand(session, await directory.brand_slug(asked.brand))).name
    return await page(
        request,
        "confirmation.html",
        state="ask",
        address=mask(asked.address),
        brand=brand,
        what=_what(asked),
    )


@confirming.post("/{token}")
async def take_confirmation(
    token: str,
    request: Request,
    keys: ThePointKeys,
    vault: TheVault,
    region: DefaultRegion,
    fields: Form,
) -> Response:
    """Take the answer."""
    del fields  # read, so that its token was judged
    at, state = now(), "done"
    try:
        async with database_of(request).transaction() as session:
            asked = await open_confirmation(session, vault, token, at=at)
            channel = await web_channel(session, vault, country=region, at=at)
            await confirm(session, keys, asked, channel=channel, at=at)
    except BadLink:
        return await _too_late(request)
    except (ObjectionIsNewer, WiderObjectionStands):
        state = "newer"
    return await page(
        request,
        "confirmation.html",
        status=200 if state == "done" else 409,
        state=state,
        address=mask(asked.address),
        brand=None,
        what=_what(asked),
    )


def _what(asked: Confirmation) -> str:
    return "allow" if asked.opt_out is None else "verify"


async def _too_late(request: Request) -> Response:
    return await page(request, "refused.html", status=404, why="confirmation")
