"""The desk: an agent with a headset looks one person up and records what they asked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Limit, Role, Visit, count_try
from app.identifiers import Identifier
from app.intake import (
    TAKE_BACK_WITHIN,
    OptOut,
    TooLateToTakeBack,
    accept,
    count_since,
    points_of,
    read_history,
    recent_by,
    require_takeable,
    void,
)
from app.journal import ALL_MEDIA, EVERY_BRAND, EVERY_MEDIUM, Kind, Media, Reason
from app.parties import (
    Channel,
    Directory,
    TheDirectory,
    UnknownChannel,
    list_channels,
    note,
)
from app.platform.alarms import raise_alarm
from app.platform.clock import now
from app.platform.db import Session, database_of
from app.platform.ids import new_id
from app.platform.problems import Problem
from app.points import (
    DefaultRegion,
    PointKeys,
    ThePointKeys,
    UnusableIdentifier,
    find_point,
    read_identifier,
)

from .acts import acts_seen_by
from .doors import Form, browser_of, signed_in
from .lawful import law_in_force, shown_with, what_is_lawful
from .live import TOLD, Streams, event, say_while_signed_in
from .pages import fill, go, page, pages, words_for
from .scope import channels_of, find_own
from .shown import Standing, named, shown, told, who_know

desk = pages("/desk")

Signed = Annotated[Visit, signed_in()]
Supervising = Annotated[Visit, signed_in(Role.SUPERVISOR)]

_MOST_TYPED = 400
_RECENT = 6
_NO_KEY = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a person asked, as one key says it."""

    media: Media
    reason: Reason


class TooManyLookUps(Problem):
    """Somebody looked up more people within an hour than a desk needs. Nothing was shown.

    A stolen account must not give the list away person by person.
    """

    type = "too-many-look-ups"
    title = "Too many people were looked up"
    status = 429


_LOOK_UPS = Limit(600, timedelta(hours=1))
_ONE_ALARM = Limit(1, timedelta(hours=1))
SAID = {
    "calls": Said(Media.VOICE, Reason.REFUSAL),
    "all": Said(EVERY_MEDIUM, Reason.OBJECTION),
    "complaint": Said(EVERY_MEDIUM, Reason.COMPLAINT),
}


@desk.get("")
async def show_desk(request: Request, visit: Signed, keys: ThePointKeys) -> Response:
    """Ask for a person; an admin of a registry without a channel is led to its first steps."""
    if visit.user.role >= Role.ADMIN:
        async with database_of(request).reading() as session:
            if not await list_channels(session, limit=1):
                return go(request, "/first-steps")
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
        await _note_look_up(request, visit)
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
        own = await channels_of(session, visit.user)
        if own is not None and channel not in own:
            raise UnknownChannel("This channel is another party's.")
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
        reference=_once(fields.get("once", "")),
        evidence=_evidence(fields.get("reference", "")),
        user=visit.user.id,
    )
    receipt = await accept(session, keys, opt_out, [identifier])
    if said.reason is Reason.COMPLAINT:
        slug = await directory.channel_slug(channel)
        await raise_alarm(session, "complaint.recorded", at, opt_out=str(opt_out.id), channel=slug)
    return go(request, f"/desk/opt-outs/{receipt.opt_out.id}")


def _once(once: str) -> str | None:
    """Name the opt-out by the form it came by: Enter pressed twice records it once."""
    try:
        return f"desk:{UUID(once)}"
    except ValueError:
        return None


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
    """Show an opt-out that was recorded here, masked, and who has been told."""
    return await _recorded(request, visit, keys, directory, id, whole=False)


@desk.post("/opt-outs/{id}/show")
async def show_whole(
    id: UUID,  # noqa: A002 - the name in the address
    request: Request,
    visit: Supervising,
    keys: ThePointKeys,
    directory: TheDirectory,
    fields: Form,
) -> Response:
    """Show the contact points of an opt-out unmasked, which the audit keeps."""
    del fields  # read, so that its token was judged
    async with database_of(request).transaction() as session:
        await find_own(session, id, visit.user)
        await note(session, visit.user.actor, "contact-point.shown", f"opt-out:{id}", now())
    return await _recorded(request, visit, keys, directory, id, whole=True)


async def _recorded(
    request: Request,
    visit: Visit,
    keys: PointKeys,
    directory: Directory,
    id: UUID,  # noqa: A002 - as above
    *,
    whole: bool,
) -> Response:
    at = now()
    async with database_of(request).reading() as session:
        opt_out = await find_own(session, id, visit.user)
        points = await points_of(session, keys, id)
        standing = await shown(session, directory, points, whole=whole)
        propagation = await told(session, opt_out, at=at)
        channel, brand = await named(
            session, directory, channel=opt_out.channel, brand=opt_out.brand
        )
        known = None
        if opt_out.voided_at is not None:
            history = await read_history(session, points[0].id, channel=None)
            known = await who_know(session, history, opt_out.brand)
        aside = await _aside(session, visit, keys, at, _zone(request))
    return await page(
        request,
        "recorded.html",
        opt_out=opt_out,
        standing=standing,
        told=propagation,
        known=known,
        brand=brand,
        channel=channel,
        takeable_until=opt_out.recorded_at + TAKE_BACK_WITHIN,
        takeable=_takeable(opt_out, visit, at),
        whole=whole,
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
        opt_out = await find_own(session, id, visit.user)

    async def lines() -> AsyncIterator[bytes]:
        async for _ in say_while_signed_in(streams, database, visit.session):
            async with database.reading() as session:
                state = await told(session, opt_out, at=now())
            yield event(fill(request, browser, "told.html", told=state))
            if state.silent:
                yield TOLD
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
    opt_out = await find_own(session, id, visit.user)
    require_takeable(
        opt_out, user=visit.user.id, supervisor=visit.user.role >= Role.SUPERVISOR, at=at
    )
    reason = fields.get("reason", "").replace("\x00", "").strip()[:500] or "mistyped"
    await void(session, id, by=visit.user.actor, reason=reason, at=at)
    return go(request, f"/desk/opt-outs/{id}")


def _zone(request: Request) -> ZoneInfo:
    zone: ZoneInfo = request.app.state.settings.time_zone
    return zone


async def _note_look_up(request: Request, visit: Visit) -> None:
    """Write down that somebody looks a person up, for the page shows the contact point whole.

    Raises:
        TooManyLookUps: they did so too often within the hour; the operators hear of it.
    """
    at, user = now(), visit.user
    async with database_of(request).transaction() as session:
        within = await count_try(session, f"look-up/{user.id}", _LOOK_UPS, at=at)
        if within:
            await note(session, user.actor, "contact-point.looked-up", "desk", at)
        elif await count_try(session, f"look-up-alarm/{user.id}", _ONE_ALARM, at=at):
            await raise_alarm(session, "look-ups.surge", at, user=str(user.id))
    if not within:
        raise TooManyLookUps("Too many people were looked up within the hour.")


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
    law = await law_in_force(request)
    async with database_of(request).reading() as session:
        point = await find_point(session, keys, identifier)
        history = await read_history(session, point, channel=None)
        standing = await Standing.of(session, identifier, history, directory)
        known = await who_know(session, history)
        acts = await acts_seen_by(session, visit.user, history)
        channels: Sequence[Channel] = ()
        if visit.user.channel is None:
            own = await channels_of(session, visit.user)
            channels = [
                one
                for one in await list_channels(session, limit=500)
                if own is None or one.id in own
            ]
        lawful = await what_is_lawful(
            session,
            keys,
            identifier,
            law,
            language=words_for(request).language,
            region=region,
            at=now(),
        )
    return {
        **await shown_with(lawful, directory, _zone(request)),
        "standing": standing,
        "unusable": False,
        "known": known,
        "acts": acts,
        "once": new_id(),
        "channels": channels,
        "all_media": [medium.word for medium in ALL_MEDIA],
    }


async def _desk(request: Request, visit: Visit, keys: PointKeys, **answer: Any) -> Response:  # noqa: ANN401 - a template takes anything
    async with database_of(request).reading() as session:
        aside = await _aside(session, visit, keys, now(), _zone(request))
    known = {"standing": None, "unusable": False, "who": ""} | answer
    return await page(request, "desk.html", **known, **aside)


async def _aside(
    session: AsyncSession, visit: Visit, keys: PointKeys, at: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    """Find what stands beside the question: what was recorded today, by oneself and by all."""
    midnight = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    channels = await channels_of(session, visit.user)
    return {
        "recent": await recent_by(session, keys, visit.user.id, limit=_RECENT),
        "today_own": await count_since(session, midnight, user=visit.user.id),
        "today_all": await count_since(session, midnight, channels=channels),
    }
