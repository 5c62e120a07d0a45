"""What people do themselves: switches of the preferences page, a single click, an open form.

A link is a weak credential, for mails are forwarded and logs keep addresses: it suppresses at
once, and takes back only what was laid by a link.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, unique
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Media, Reason
from app.platform.ids import new_id
from app.points import PointKeys, find_point, lock_points
from app.registry import Lifting, grounds_on, lift_some, read_states

from .links import Link
from .opt_outs import OptOut, find_opt_outs
from .receipts import Receipt, accept
from .tables import OptOutRow

_MOST = 500
_MOST_LISTED = 1_000
VOIDED_AT_ONCE = 200
"""Opt-outs of the open form that one request voids: each is an entry of the journal."""
NO_KEY = 0


@unique
class Door(IntEnum):
    """By which door of the pages an opt-out came; a number, once written, keeps its meaning."""

    PAGE = 1
    ONE_CLICK = 2
    FORM = 3


_BY_LINK = (Door.PAGE, Door.ONE_CLICK)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a link's contact points stand: what is suppressed, and what the link may take back."""

    suppressed: Media
    takeable: Media


async def read_choice(session: AsyncSession, keys: PointKeys, link: Link) -> Choice:
    """Tell how the contact points of a link stand for its brand; what stands for one stands."""
    suppressed, fixed = Media(0), Media(0)
    for identifier in link.identifiers:
        point = await find_point(session, keys, identifier)
        if point is None:
            continue
        for state in await read_states(session, [point]):
            if state.brand in (EVERY_BRAND, link.brand):
                suppressed |= state.media & identifier.kind.carries
        own = await _laid_by_links(session, point)
        for ground in await grounds_on(session, point, most=_MOST):
            of_others = ground.opt_out not in own or ground.brand != link.brand
            if of_others and ground.brand in (EVERY_BRAND, link.brand) and not ground.voided_at:
                fixed |= ground.media & ~ground.lifted & identifier.kind.carries
    shown = suppressed & link.carried
    return Choice(shown, shown & ~fixed)


async def choose(
    session: AsyncSession,
    keys: PointKeys,
    link: Link,
    wanted: Media,
    *,
    channel: int,
    at: datetime,
) -> Receipt | None:
    """Suppress the media that are not wanted any more, and take back those that are again.

    ``wanted`` are the switches that are on. Taken back is only what links laid. Returns the
    receipt of what was suppressed, None where nothing was.
    """
    choice = await read_choice(session, keys, link)
    again = choice.takeable & wanted
    if again:
        await _take_back(session, keys, link, again, channel=channel, at=at)
    refused = link.carried & ~wanted & ~choice.suppressed
    if not refused:
        return None
    return await _object(session, keys, link, refused, Reason.OBJECTION, Door.PAGE, channel, at)


async def stop_everything(
    session: AsyncSession, keys: PointKeys, link: Link, *, channel: int, at: datetime
) -> Receipt:
    """Suppress every medium for every brand."""
    whole = replace(link, brand=EVERY_BRAND, media=EVERY_MEDIUM)
    return await _object(
        session, keys, whole, EVERY_MEDIUM, Reason.OBJECTION, Door.PAGE, channel, at
    )


async def click(
    session: AsyncSession, keys: PointKeys, link: Link, *, channel: int, at: datetime
) -> Receipt | None:
    """Suppress what a single click suppresses (RFC 8058); None if all of it stands already."""
    choice = await read_choice(session, keys, link)
    if not link.clicked & ~choice.suppressed:
        return None
    return await _object(
        session, keys, link, link.clicked, Reason.UNSUBSCRIBE, Door.ONE_CLICK, channel, at
    )


async def object_openly(
    session: AsyncSession,
    keys: PointKeys,
    identifier: Identifier,
    media: Media,
    *,
    channel: int,
    at: datetime,
) -> Receipt:
    """Suppress whatever somebody asks who has proved nothing: it stands, and is not verified."""
    link = Link([identifier], EVERY_BRAND, media, at)
    return await _object(session, keys, link, media, Reason.OBJECTION, Door.FORM, channel, at)


async def find_unverified(
    session: AsyncSession, channel: int, *, since: datetime, until: datetime
) -> list[UUID]:
    """List what the open form took in an interval and nobody voided, 1,000 at most."""
    rows = await session.scalars(
        select(OptOutRow.id)
        .where(
            OptOutRow.channel == channel,
            OptOutRow.door == Door.FORM,
            OptOutRow.recorded_at >= since,
            OptOutRow.recorded_at < until,
            OptOutRow.voided_at.is_(None),
        )
        .order_by(OptOutRow.id)
        .limit(_MOST_LISTED)
    )
    return list(rows.all())


async def _object(
    session: AsyncSession,
    keys: PointKeys,
    link: Link,
    media: Media,
    reason: Reason,
    door: Door,
    channel: int,
    at: datetime,
) -> Receipt:
    opt_out = OptOut(
        new_id(),
        at,
        at,
        channel,
        reason,
        media,
        link.brand,
        NO_KEY,
        door=door,
        verified=door is not Door.FORM,
    )
    concerned = [one for one in link.identifiers if one.kind.carries & media]
    return await accept(session, keys, opt_out, concerned)


async def _take_back(
    session: AsyncSession,
    keys: PointKeys,
    link: Link,
    media: Media,
    *,
    channel: int,
    at: datetime,
) -> None:
    points = await lock_points(session, keys, link.identifiers)
    for point in points.values():
        own = await _laid_by_links(session, point.id)
        lifting = Lifting(
            new_id(),
            link.brand,
            media,
            channel,
            NO_KEY,
            at,
            at,
            {"kind": "web_form", "reference": "preference link"},
        )
        await lift_some(session, lifting, point, own)


async def _laid_by_links(session: AsyncSession, point: int) -> set[UUID]:
    grounds = await grounds_on(session, point, most=_MOST)
    opt_outs = await find_opt_outs(session, {ground.opt_out for ground in grounds})
    return {one.id for one in opt_outs.values() if one.door in _BY_LINK}
