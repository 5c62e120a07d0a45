"""Somebody in France, what is on record about them, and the question."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.journal import Media
from app.policy import (
    NOTHING_KNOWN,
    AttemptRecord,
    ConsentRecord,
    Hearing,
    Known,
    Places,
    Profile,
    Ruling,
    Terms,
    places_of,
    the_law,
)

LAW = the_law()
PARIS = ZoneInfo("Europe/Paris")
BRAND, OTHER_BRAND = 1, 2
OBJECT = "heat pumps"
FRANCE = places_of(Profile(), number="FR", default="FR")


def local(text: str, zone: str = "Europe/Paris") -> datetime:
    """Read a time as clocks show it at a place."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def consent(given: str = "2026-03-01T10:00", **other: Any) -> ConsentRecord:  # noqa: ANN401 - fields
    """Make a consent to calls about the object, complete unless said otherwise."""
    fields = {"brand": BRAND, "object": OBJECT, "media": Media.VOICE, "complete": True}
    return ConsentRecord(given_at=local(given), **{**fields, **other})


def judge(
    at: str | datetime,
    known: Known = NOTHING_KNOWN,
    *,
    places: Places = FRANCE,
    media: Media = Media.VOICE,
    terms: Terms | None = None,
) -> Ruling:
    """Ask about somebody in France, for the brand and the object."""
    moment = local(at) if isinstance(at, str) else at
    terms = terms or Terms(brand=BRAND, object=OBJECT)
    return Hearing(LAW, terms, media, moment).judge(known, places)


def told(ruling: Ruling) -> tuple[str, list[str], datetime | None]:
    """Give the decision, the reasons' codes and the next time, as clocks in Paris show it."""
    next_at = ruling.next_allowed_at
    return (
        ruling.decision,
        [one.code for one in ruling.reasons],
        next_at and next_at.astimezone(PARIS),
    )


def attempts(*times: str, **other: Any) -> tuple[AttemptRecord, ...]:  # noqa: ANN401 - fields
    """Make calls, given the newest first."""
    return tuple(AttemptRecord(**{"brand": BRAND, "at": local(one), **other}) for one in times)
