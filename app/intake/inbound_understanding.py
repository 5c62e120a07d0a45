"""Understanding a provider's events: contact points in their normal form, brand, media, time.

An event is refused alone where it names nobody; in doubt about its scope it counts for the
widest, in doubt about its time for now.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from app.identifiers import Identifier, Unusable, normalise
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Media
from app.parties import Directory, UnknownBrand
from app.platform.ids import new_id
from app.platform.logs import get_logger
from app.points import PointKeys

from .dialects import MISREAD, Act, Dialect, Event, Fields, Options, Unreadable
from .inbound_events import Arrival, Door, key_of
from .inbound_links import Links
from .links import Link

_BEFORE_WEBHOOKS = datetime(2000, 1, 1, tzinfo=UTC)
"""A time before it is a default that somebody forgot: 1970, or year 1."""
_IN_TURN = 50
"""Events that are understood before others have their turn."""

log = get_logger(__name__)


async def understand(
    door: Door,
    dialect: Dialect,
    several: Sequence[Fields],
    *,
    keys: PointKeys,
    directory: Directory,
    links: Links,
    region: str,
) -> list[Arrival]:
    """Understand the events of a request, in the order in which they occurred.

    In turns with everybody else: twenty thousand at once held up every check for a second.
    """
    arrivals = []
    for place, fields in enumerate(several):
        if place % _IN_TURN == 0:
            await asyncio.sleep(0)
        event, reason = _translate(dialect, fields, door.options)
        key = key_of(keys, door.dialect, fields, event)
        if event is not None and event.tokens:
            link = await links.first_that_opens(event.tokens, door.at)
            if link is not None:
                arrivals.append(_by_link(link, Arrival(new_id(), key, fields, event)))
                continue
            event, reason = _translate(dialect, {**fields, "tokens": []}, door.options)
        if event is None:
            arrivals.append(Arrival(new_id(), key, fields, None, reason))
            continue
        identifiers, reason = _identifiers(event, region)
        brand = await _brand(event, door, directory)
        if brand is None:
            brand = EVERY_BRAND
            if event.act is Act.RESUBSCRIBE:
                reason = "unknown-brand"
        occurred_at = _when(event.occurred_at, door.at)
        media = _media(event, door.options)
        arrivals.append(
            Arrival(new_id(), key, fields, event, reason, identifiers, media, brand, occurred_at)
        )
    return sorted(arrivals, key=lambda one: one.occurred_at or door.at)


def _by_link(link: Link, arrival: Arrival) -> Arrival:
    """Take from a link of ours who is meant, and for which brand and media."""
    return replace(
        arrival, identifiers=list(link.identifiers), media=link.clicked, brand=link.brand
    )


def _translate(dialect: Dialect, fields: Fields, options: Options) -> tuple[Event | None, str]:
    try:
        return dialect.translate(fields, options), ""
    except Unreadable as unreadable:
        return None, unreadable.reason
    except MISREAD as error:
        # Of what a provider may send, more than its documentation tells.
        log.warning("an event could not be read", reason=type(error).__name__)
        return None, "unreadable"


def _identifiers(event: Event, region: str) -> tuple[Sequence[Identifier], str]:
    """Read what can be read; one that cannot does not hold up the others."""
    found: dict[Identifier, None] = {}
    for kind, value in event.identifiers:
        try:
            found[normalise(kind, value, region=region)] = None
        except Unusable:
            continue
    if found or event.act is Act.NOTHING:
        return list(found), ""
    return [], "unusable-identifier" if event.identifiers else "no-identifier"


async def _brand(event: Event, door: Door, directory: Directory) -> int | None:
    """Find the brand that an event is about; None where one is named that nobody knows."""
    slug = brand_of(event.brand_hint, door.options)
    if slug is None:
        return EVERY_BRAND
    try:
        return await directory.brand(slug)
    except UnknownBrand:
        log.warning("a door names a brand that is not registered", channel=door.slug)
        return None


def brand_of(hint: str | None, options: Options) -> str | None:
    """Tell the slug that a channel's options give for a hint; None: every brand.

    ``brands`` lists ``hint=slug``, ``brand`` is for all that it does not list.
    """
    listed = options.get("brands")
    if hint is not None and isinstance(listed, list):
        for line in listed:
            named, _, slug = str(line).rpartition("=")
            if named.strip() == hint:
                return slug.strip()
    brand = options.get("brand")
    return brand if isinstance(brand, str) else None


def _media(event: Event, options: Options) -> Media:
    if event.act is Act.HARD_BOUNCE:
        return Media.EMAIL
    if event.media is not None:
        return event.media
    words = options.get("media")
    try:
        return Media.of(words) if isinstance(words, list) and words else EVERY_MEDIUM
    except KeyError:
        return EVERY_MEDIUM


def _when(occurred_at: datetime | None, at: datetime) -> datetime | None:
    """Take a time that can be true; never later than now, or what is said next would be older."""
    if occurred_at is None or occurred_at < _BEFORE_WEBHOOKS:
        return None
    return min(occurred_at, at)
