"""The routes about what people do themselves: links for them, and undoing what nobody proved."""

from typing import Annotated

from fastapi import Request
from pydantic import Field, StrictBool

from app.journal import Media, MediaWords
from app.parties import (
    WEB,
    Caller,
    TheDirectory,
    TheVault,
    UnknownBrand,
    UnknownChannel,
    requires,
)
from app.platform.clock import now
from app.platform.db import Session
from app.platform.idempotency import Once
from app.platform.openapi import responses
from app.platform.web import router
from app.platform.wire import Answer, Instant, Slug, WireModel, text
from app.points import DefaultRegion, IdentifierIn, UnusableIdentifier

from .links import Link, Purpose, seal_link
from .models import brand_number
from .people import VoidedUnverified, find_unverified, void_unverified

links = router("/v1/preference-links", "preference links")
unverified = router("/v1/unverified-opt-outs", "opt-outs")
ROUTERS = (links, unverified)


class LinkIn(WireModel):
    """Whom a link is for, and what it is about."""

    identifiers: Annotated[list[IdentifierIn], Field(min_length=1, max_length=20)]
    brand: Annotated[Slug | None, Field(description="Left out or null: every brand")] = None
    media: Annotated[
        MediaWords | None, Field(description="Left out or null: those that they carry")
    ] = None


class LinkOut(Answer):
    """Where the person goes, and the headers of a mail that carries the link (RFC 8058)."""

    url: str
    one_click_url: str
    headers: dict[str, str]


@links.post("", status_code=201, responses=responses(UnusableIdentifier, UnknownBrand))
async def make_preference_link(
    body: LinkIn,
    request: Request,
    caller: Annotated[Caller, requires("opt-outs:write")],
    once: Once,
    vault: TheVault,
    directory: TheDirectory,
    region: DefaultRegion,
) -> LinkOut:
    """Make the link by which a person chooses what they may still be sent, without an account.

    It names nobody, counts for OPTOUT_LINK_DAYS, and suppresses at once. What others recorded it
    cannot lift. `one_click_url` suppresses by a POST alone, as mail programs send it.
    """
    await once.replay(by=caller.key)
    link = Link(
        [
            one.read(region=region, pointer=f"/identifiers/{number}")
            for number, one in enumerate(body.identifiers)
        ],
        await brand_number(directory, body.brand),
        body.media or Media(0),
        now(),
    )
    settings = request.app.state.settings
    base = (settings.public_url or settings.url).rstrip("/")

    def address(path: str, purpose: Purpose) -> str:
        return f"{base}/{path}/{seal_link(vault, link, purpose)}"

    one_click = address("u", "one-click")
    return await once.remember(
        LinkOut(
            url=address("p", "preferences"),
            one_click_url=one_click,
            headers={
                "List-Unsubscribe": f"<{one_click}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
        )
    )


class UnverifiedIn(WireModel):
    """Which opt-outs of the open form are to be voided, and why."""

    channel: Annotated[Slug, Field(description="The open form records as `web`")] = WEB
    since: Instant
    until: Annotated[Instant, Field(description="Excluded")]
    reason: Annotated[str, text(500)]
    preview: Annotated[StrictBool, Field(description="Count, and change nothing")] = False


class UnverifiedOut(Answer):
    """How many there were, of which so many were voided now."""

    found: Annotated[int, Field(description="1,000 stands for more")]
    voided: Annotated[int, Field(description="At most 200 a call: repeat until none is found")]
    position: Annotated[int | None, Field(description="Of the last entry that it wrote")]


@unverified.post("/void", responses=responses(UnknownChannel))
async def void_unverified_opt_outs(
    body: UnverifiedIn,
    caller: Annotated[Caller, requires("admin")],
    session: Session,
    once: Once,
    directory: TheDirectory,
) -> UnverifiedOut:
    """Void what the open form took in an interval, where somebody silenced others.

    Only grounds that nobody proved are touched; whoever objected otherwise stays suppressed.
    """
    await once.replay(by=caller.key)
    at = now()
    channel = await directory.channel(body.channel)
    interval = {"since": body.since, "until": body.until}
    if body.preview:
        done = VoidedUnverified(await find_unverified(session, channel, **interval), [], None)
    else:
        done = await void_unverified(
            session, channel, **interval, by=caller.actor, reason=body.reason, at=at
        )
    answer = UnverifiedOut(found=len(done.found), voided=len(done.voided), position=done.position)
    return await once.remember(answer, status=200)
