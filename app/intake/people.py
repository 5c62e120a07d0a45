"""What people do themselves: switches of the preferences page, a single click, an open form.

A link is a weak credential, for mails are forwarded and logs keep addresses: it suppresses at
once, and takes back only what was laid by a link.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, unique
from functools import reduce
from operator import and_, or_
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Kind, Media, Reason
from app.platform.ids import new_id
from app.points import PointKeys, find_point, lock_points
from app.registry import Lifting, grounds_on, lift_some, read_states

from .links import Link
from .opt_outs import OptOut, find_opt_outs, first_id, void
from .receipts import Receipt, accept
from .tables import OptOutRow

_MOST = 500
MOST_UNVERIFIED = 1_000
"""Opt-outs of the open form that are found at once: so many stand for more."""
_DISORDER = timedelta(hours=1)
"""How far the time in an id may lie from the recording."""
VOIDED_AT_ONCE = 200
"""Opt-outs of the open form that one request voids: each is an entry of the journal."""
NO_KEY = 0


@unique
class Door(IntEnum):
    """By which door of the pages an opt-out came; a number, once written, keeps its meaning."""

    PAGE = 1
    ONE_CLICK = 2
    FORM = 3
    CONFIRMED_FORM = 4


_BY_LINK = (Door.PAGE, Door.ONE_CLICK)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a link's contact points stand for one brand; 0 is every brand.

    Of the ``media`` for which there is a switch some are ``suppressed``; of these the link may
    take back what is ``takeable``, ``wider`` stands for every brand, and ``confirmable`` can be
    lifted by whoever answers a mail to the address.
    """

    brand: int
    media: Media
    suppressed: Media
    takeable: Media
    wider: Media
    confirmable: Media


@dataclass(frozen=True, slots=True)
class _Standing:
    """What stands about one contact point, by brand: in all, by links, by others."""

    kind: Kind
    all: Mapping[int, Media]
    own: Mapping[int, Media]
    others: Mapping[int, Media]


async def read_choices(
    session: AsyncSession, keys: PointKeys, link: Link, brands: Sequence[int]
) -> list[Choice]:
    """Tell how the contact points of a link stand for each of some brands."""
    standing = [await _stands(session, keys, one) for one in link.identifiers]
    return [_choice(link, brand, standing) for brand in brands]


async def _stands(session: AsyncSession, keys: PointKeys, identifier: Identifier) -> _Standing:
    states: dict[int, Media] = {}
    by: tuple[dict[int, Media], dict[int, Media]] = ({}, {})
    point = await find_point(session, keys, identifier)
    if point is not None:
        states = {one.brand: one.media for one in await read_states(session, [point])}
        own = await _laid_by_links(session, point)
        for ground in await grounds_on(session, point, most=_MOST):
            whose = by[ground.opt_out not in own]
            media = Media(0) if ground.voided_at else ground.media & ~ground.lifted
            whose[ground.brand] = whose.get(ground.brand, Media(0)) | media
    return _Standing(identifier.kind, states, *by)


def _choice(link: Link, brand: int, standing: Sequence[_Standing]) -> Choice:
    """Tell how a brand stands: suppressed is what is so at every contact point that carries it."""
    nothing = Media(0)
    suppressed = reduce(
        and_,
        (
            one.all.get(EVERY_BRAND, nothing) | one.all.get(brand, nothing) | ~one.kind.carries
            for one in standing
        ),
        EVERY_MEDIUM,
    ) & reduce(or_, (one.kind.carries for one in standing), nothing)
    of_every_brand = reduce(or_, (one.all.get(EVERY_BRAND, nothing) for one in standing), nothing)
    wider = suppressed & of_every_brand if brand != EVERY_BRAND else nothing
    others = reduce(or_, (one.others.get(brand, nothing) for one in standing), nothing)
    own = reduce(or_, (one.own.get(brand, nothing) for one in standing), nothing)
    takeable = suppressed & own & ~others & ~wider
    mailed = any(one.kind is Kind.EMAIL for one in standing)
    confirmable = suppressed & others & ~wider & Media.EMAIL if mailed else nothing
    media = link.carried | takeable
    return Choice(brand, media, suppressed & media, takeable, wider & media, confirmable & media)


async def choose(
    session: AsyncSession,
    keys: PointKeys,
    link: Link,
    wanted: Mapping[int, Media],
    *,
    channel: int,
    at: datetime,
) -> Receipt | None:
    """Suppress the media that are not wanted any more, and take back those that are again.

    ``wanted`` are the switches that are on, by brand. Taken back is only what links laid. Returns
    the receipt of what was suppressed last, None where nothing was.
    """
    receipt = None
    # All as it stood before: what is lifted for every brand must not be refused for each.
    for choice in await read_choices(session, keys, link, list(wanted)):
        own = replace(link, brand=choice.brand)
        again = choice.takeable & wanted[choice.brand]
        if again:
            await _take_back(session, keys, own, again, channel=channel, at=at)
        refused = choice.media & ~wanted[choice.brand] & ~choice.suppressed
        if refused:
            receipt = await _object(
                session, keys, own, refused, Reason.OBJECTION, Door.PAGE, channel, at
            )
    return receipt


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
    (choice,) = await read_choices(session, keys, link, [link.brand])
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
            # Ids are in order of time: what the channel ever took need not be looked through.
            OptOutRow.id >= first_id(since, -_DISORDER),
            OptOutRow.id < first_id(until, _DISORDER),
            OptOutRow.recorded_at >= since,
            OptOutRow.recorded_at < until,
            OptOutRow.voided_at.is_(None),
        )
        .order_by(OptOutRow.id)
        .limit(MOST_UNVERIFIED)
    )
    return list(rows.all())


@dataclass(frozen=True, slots=True)
class VoidedUnverified:
    """What was found in an interval, what of it was voided now, and the last entry's position."""

    found: list[UUID]
    voided: list[UUID]
    position: int | None


async def void_unverified(
    session: AsyncSession,
    channel: int,
    *,
    since: datetime,
    until: datetime,
    by: str,
    reason: str,
    at: datetime,
) -> VoidedUnverified:
    """Void what the open form took in an interval, ``VOIDED_AT_ONCE`` of it: call it again.

    Only grounds that nobody proved are touched; whoever objected otherwise stays suppressed.
    """
    found = await find_unverified(session, channel, since=since, until=until)
    voided, position = found[:VOIDED_AT_ONCE], None
    for opt_out in voided:
        done = await void(session, opt_out, by=by, reason=reason, at=at)
        position = done.position or position
    return VoidedUnverified(found, voided, position)


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
