"""Which consent counts: for one company, one object, one medium, and for how long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.journal import Media

from .facts import Consent
from .records import ConsentRecord, Terms

_BEST_FIRST: tuple[Consent, ...] = (
    "withdrawn",
    "third_party_unproven",
    "incomplete_proof",
    "expired",
    "other_medium",
    "other_object",
    "other_controller",
)
"""Where none serves, the one that comes nearest to serving is told."""


def consented(
    consents: Sequence[ConsentRecord],
    terms: Terms,
    *,
    media: Media,
    at: datetime,
    days: int | None,
    zone: str,
) -> tuple[Consent, list[ConsentRecord]]:
    """Tell what the consents of somebody come to for a campaign, and which of them are valid.

    ``days`` is the longest that a consent lasts by law, None if for ever.
    """
    misfits: set[Consent] = set()
    fitting = []
    for one in consents:
        if one.given_at <= at:
            misfit = _misfit(one, terms, media)
            if misfit is None:
                fitting.append(one)
            else:
                misfits.add(misfit)
    withdrawn = [one.withdrawn_at for one in fitting if one.withdrawn_at and one.withdrawn_at <= at]
    withdrawn_at = max(withdrawn, default=None)
    standing = [_standing(one, withdrawn_at, at, days, zone) for one in fitting]
    if "valid" in standing:
        pairs = zip(fitting, standing, strict=True)
        return "valid", [one for one, fact in pairs if fact == "valid"]
    return next((fact for fact in _BEST_FIRST if fact in misfits.union(standing)), "none"), []


def _standing(
    one: ConsentRecord,
    withdrawn_at: datetime | None,
    at: datetime,
    days: int | None,
    zone: str,
) -> Consent:
    """Tell how a consent stands that fits; what was withdrawn takes along all that was before."""
    if withdrawn_at is not None and withdrawn_at >= one.given_at:
        return "withdrawn"
    if one.unproven:
        return "third_party_unproven"
    if not one.complete:
        return "incomplete_proof"
    return "expired" if _is_over(one, at, days, zone) else "valid"


def _misfit(one: ConsentRecord, terms: Terms, media: Media) -> Consent | None:
    """Tell what a consent was not given for; to say nothing for whom or what is not to fit."""
    if one.brand != terms.brand:
        return "other_controller"
    if one.object != terms.object:
        return "other_object"
    # Most are for one medium, and to compare sets of them costs ten times as much.
    return None if one.media is media or media & one.media else "other_medium"


def _is_over(one: ConsentRecord, at: datetime, days: int | None, zone: str) -> bool:
    if one.expires_at is not None and one.expires_at <= at:
        return True
    if days is None or at - one.given_at < timedelta(days=days - 2):
        return False
    until = lasts_until(one, days=days, zone=zone)
    return until is not None and until <= at


def lasts_until(one: ConsentRecord, *, days: int | None, zone: str) -> datetime | None:
    """Tell until when a consent lasts: what it says, and the law's longest, whichever is earlier.

    The law's longest ends at the time of day at which it was given, at the place of the person.
    """
    if days is None:
        return one.expires_at
    local = one.given_at.astimezone(ZoneInfo(zone))
    ends = (local + timedelta(days=days)).astimezone(one.given_at.tzinfo)
    anniversary = years_later(local, 1).astimezone(one.given_at.tzinfo)
    law = min(ends, anniversary)
    return law if one.expires_at is None else min(law, one.expires_at)


def years_later(at: datetime, years: int) -> datetime:
    """Give the same day and time some years later; after 29 February the 28th, if it must be."""
    try:
        return at.replace(year=at.year + years)
    except ValueError:
        return at.replace(year=at.year + years, day=28)
