"""What the open form took in an interval, voided where somebody silenced others: preview first."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request, Response

from app.accounts import Role, Visit
from app.intake import MOST_UNVERIFIED, VOIDED_AT_ONCE, find_unverified, void_unverified
from app.parties import WEB, TheDirectory, list_channels
from app.platform.clock import now
from app.platform.db import Session, database_of

from .doors import Form, signed_in
from .forms import typed
from .pages import go, page, pages

unverified = pages("/unverified")

Admin = Annotated[Visit, signed_in(Role.ADMIN)]
Interval = tuple[datetime, datetime]

_ALL = 32_767
_ASKED = ("channel", "since", "until")


@unverified.get("")
async def show_unverified(request: Request, visit: Admin, directory: TheDirectory) -> Response:
    """Ask for a channel and an interval; once they are given, tell how many would be voided."""
    del visit
    return await _show(request, directory, request.query_params, faults={})


@unverified.post("")
async def void_what_was_found(
    request: Request, visit: Admin, session: Session, directory: TheDirectory, fields: Form
) -> Response:
    """Void what an interval holds, so many at a time, for a reason that somebody gave."""
    reason = typed(fields, "reason", most=500)
    interval = _interval(fields, request.app.state.settings.time_zone)
    if interval is None or not reason:
        return await _show(request, directory, fields, faults={"reason": "fault.missing"})
    done = await void_unverified(
        session,
        await directory.channel(typed(fields, "channel")),
        since=interval[0],
        until=interval[1],
        by=visit.user.actor,
        reason=reason,
        at=now(),
    )
    asked = {name: typed(fields, name) for name in _ASKED} | {"voided": str(len(done.voided))}
    return go(request, f"/unverified?{urlencode(asked)}")


async def _show(
    request: Request,
    directory: TheDirectory,
    said: Mapping[str, str],
    *,
    faults: Mapping[str, str],
) -> Response:
    zone = request.app.state.settings.time_zone
    given = all(typed(said, name) for name in _ASKED)
    interval = _interval(said, zone) if given else None
    found = None
    if given and interval is None:
        faults = {"until": "fault.interval"}
    channel = await directory.channel(typed(said, "channel")) if interval else None
    async with database_of(request).reading() as session:
        channels = await list_channels(session, limit=_ALL)
        if interval is not None and channel is not None:
            since, until = interval
            found = len(await find_unverified(session, channel, since=since, until=until))
    voided = typed(said, "voided", most=9)
    return await page(
        request,
        "unverified.html",
        status=422 if faults else 200,
        said={"channel": WEB} | {name: typed(said, name) for name in _ASKED if typed(said, name)},
        faults=faults,
        channels=[(one.slug, one.name) for one in channels],
        found=found,
        more=found == MOST_UNVERIFIED,
        at_once=VOIDED_AT_ONCE,
        voided=int(voided) if voided.isdecimal() else None,
    )


def _interval(said: Mapping[str, str], zone: ZoneInfo) -> Interval | None:
    """Read an interval as a browser sends it, by the registry's clock; None if it is none."""
    try:
        since, until = (_moment(typed(said, name), zone) for name in ("since", "until"))
    except (ValueError, OverflowError):
        return None
    return (since, until) if since < until else None


def _moment(said: str, zone: ZoneInfo) -> datetime:
    at = datetime.fromisoformat(said)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
