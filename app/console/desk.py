"""The desk: an agent with a headset looks one person up and records what they asked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Role, Visit
from app.identifiers import Identifier
from app.intake import (
    TAKE_BACK_WITHIN,
    OptOut,
    TooLateToTakeBack,
    accept,
    count_since,
    find_opt_out,
    points_of,
    read_history,
    recent_by,
    require_takeable,
    void,
)
from app.journal import ALL_MEDIA, EVERY_BRAND, EVERY_MEDIUM, Kind, Media, Reason
from app.parties import Channel, TheDirectory, list_channels
from app.platform.alarms import raise_alarm
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.ids import new_id
from app.points import (
    DefaultRegion,
    PointKeys,
    ThePointKeys,
    UnusableIdentifier,
    find_point,
    read_identifier,
)

from .doors import Form, browser_of, signed_in
from .live import Streams, event, say_until
from .pages import fill, go, page, pages
from .shown import Standing, shown, told

desk = pages("/desk")

Signed = Annotated[Visit, signed_in()]

_MOST_TYPED = 400
_RECENT = 6
_NO_KEY = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a person asked, as one key says it."""

    media: Media
    reason: Reason


SAID = {
    "calls": Said(Media.VOICE, Reason.REFUSAL),
    "all": Said(EVERY_MEDIUM, Reason.OBJECTION),
    "complaint": Said(EVERY_MEDIUM, Reason.COMPLAINT),
}


@desk.get("")
async def show_desk(request: Request, visit: Signed, keys: ThePointKeys) -> Response:
    """Ask for a person."""
    return await _desk(request, visit, keys)


@desk.post("/look-up")
async def look_up(
    request: Request,
    visit: Signed,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
    fields: Form,
) -> Response:
    """Tell what stands about a person."""
    who = fields.get("who", "").strip()[:_MOST_TYPED]
    if not who:
        answer: dict[str, Any] = {"standing": None, "unusable": False}
    else:
        answer = await _answer(request, visit, keys, directory, who, region)
    answer["who"] = who
    if request.headers.get("hx-request"):
        return await page(request, "answer.html", **answer)
    return await _desk(request, visit, keys, **answer)


@desk.post("/opt-outs")
async def record(
    request: Request,
    visit: Signed,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
    region: DefaultRegion,
    fields: Form,
) -> Response:
    """Record what a person asked."""
    at, said = now(), SAID.get(fields.get("said", "all"), SAID["all"])
    identifier = _read(fields.get("who", "").strip()[:_MOST_TYPED], region)
    channel = visit.user.channel
    if channel is None:
        channel = await directory.channel(fields.get("channel", ""))
    opt_out = OptOut(
        id=new_id(),
        recorded_at=at,
        occurred_at=at,
        channel=channel,
        reason=said.reason,
        media=said.media,
        brand=EVERY_BRAND,
        key=_NO_KEY,
        recorded_by=visit.user.login,
        evidence=_evidence(fields.get("reference", "")),
        user=visit.user.id,
    )
    receipt = await accept(session, keys, opt_out, [identifier])
    if said.reason is Reason.COMPLAINT:
        slug = await directory.channel_slug(channel)
        await raise_alarm(session, "complaint.recorded", at, opt_out=str(opt_out.id), channel=slug)
    return go(request, f"/desk/opt-outs/{receipt.opt_out.id}")


def _evidence(reference: str) -> dict[str, str] | None:
    reference = reference.replace("\x00", "").strip()[:200]
    return {"kind": "call_recording", "reference": reference} if reference else None


@desk.get("/opt-outs/{id}")
async def show_recorded(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Signed,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> Response:
    """Show an opt-out that was recorded here, and who has been told."""
    at = now()
    async with database_of(request).reading() as session:
        opt_out = await _own(session, id, visit)
        points = await points_of(session, keys, id)
        standing = await shown(session, directory, points[0], visit.user.channel)
        propagation = await told(session, opt_out, at=at)
        aside = await _aside(session, visit, keys, at)
    return await page(
        request,
        "recorded.html",
        opt_out=opt_out,
        standing=standing,
        told=propagation,
        channel=await directory.channel_slug(opt_out.channel),
        takeable_until=opt_out.recorded_at + TAKE_BACK_WITHIN,
        takeable=_takeable(opt_out, visit, at),
        all_media=[medium.word for medium in ALL_MEDIA],
        **aside,
    )


@desk.get("/opt-outs/{id}/told")
async def tell_live(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Signed,
) -> Response:
    """Tell who has been told as it happens, until all are or a minute is over."""
    database, browser = database_of(request), await browser_of(request)
    async with database.reading() as session:
        opt_out = await _own(session, id, visit)

    async def lines() -> AsyncIterator[bytes]:
        async for _ in say_until(streams):
            async with database.reading() as session:
                state = await told(session, opt_out, at=now())
            yield event(fill(request, browser, "told.html", told=state))
            if state.silent:
                return

    streams: Streams = request.app.state.streams
    streams.require_room()
    return StreamingResponse(lines(), media_type="text/event-stream")


@desk.post("/opt-outs/{id}/take-back")
async def take_back(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Signed,
    session: Session,
    fields: Form,
) -> Response:
    """Void an opt-out that was recorded by mistake."""
    at = now()
    opt_out = await _own(session, id, visit)
    require_takeable(
        opt_out, user=visit.user.id, supervisor=visit.user.role >= Role.SUPERVISOR, at=at
    )
    reason = fields.get("reason", "").replace("\x00", "").strip()[:500] or "mistyped"
    await void(session, id, by=visit.user.actor, reason=reason, at=at)
    return go(request, f"/desk/opt-outs/{id}")


async def _own(session: AsyncSession, opt_out: UUID, visit: Visit) -> OptOut:
    """Find an opt-out that somebody may see: of their own channel, if they have one."""
    return await find_opt_out(session, opt_out, channel=visit.user.channel)


def _takeable(opt_out: OptOut, visit: Visit, at: datetime) -> bool:
    try:
        require_takeable(
            opt_out, user=visit.user.id, supervisor=visit.user.role >= Role.SUPERVISOR, at=at
        )
    except TooLateToTakeBack:
        return False
    return opt_out.voided_at is None


def _read(who: str, region: str) -> Identifier:
    kind = Kind.EMAIL if "@" in who else Kind.PHONE
    return read_identifier(kind, who, region=region, pointer="/who")


async def _answer(
    request: Request,
    visit: Visit,
    keys: PointKeys,
    directory: TheDirectory,
    who: str,
    region: str,
) -> dict[str, Any]:
    try:
        identifier = _read(who, region)
    except UnusableIdentifier:
        return {"standing": None, "unusable": True}
    at = now()
    async with database_of(request).reading() as session:
        point = await find_point(session, keys, identifier)
        history = await read_history(session, point, channel=None)
        standing = await Standing.of(identifier, history, directory)
        propagation = None
        if history.acts and standing.suppressed:
            latest = next(act for act in history.acts if act.standing)
            propagation = await told(
                session, await find_opt_out(session, latest.id, channel=None), at=at
            )
        channels: Sequence[Channel] = ()
        if visit.user.channel is None:
            channels = await list_channels(session, limit=500)
    return {
        "standing": standing,
        "unusable": False,
        "told": propagation,
        "channels": channels,
        "all_media": [medium.word for medium in ALL_MEDIA],
    }


async def _desk(request: Request, visit: Visit, keys: PointKeys, **answer: Any) -> Response:  # noqa: ANN401 - a template takes anything
    async with database_of(request).reading() as session:
        aside = await _aside(session, visit, keys, now())
    known = {"standing": None, "unusable": False, "who": ""} | answer
    return await page(request, "desk.html", **known, **aside)


async def _aside(
    session: AsyncSession, visit: Visit, keys: PointKeys, at: datetime
) -> dict[str, Any]:
    """Find what stands beside the question: what was recorded today, by oneself and by all."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "recent": await recent_by(session, keys, visit.user.id, limit=_RECENT),
        "today_own": await count_since(session, midnight, user=visit.user.id),
        "today_all": await count_since(session, midnight, channel=visit.user.channel),
    }
