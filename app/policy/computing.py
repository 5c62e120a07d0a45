"""From what is on record to facts: one person, one campaign, one country, one moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from app.journal import Media

from .calendars import closing, local_date, midnight, working_days_after
from .consents import consented, lasts_until, years_later
from .facts import (
    Attempts,
    CallerIdRange,
    Consent,
    Contract,
    Facts,
    InboundRequest,
    Objection,
    Refusal,
    Window,
)
from .law import Chapter
from .packs import Hours, WindowFact
from .records import AttemptRecord, ConsentRecord, ContractRecord, Known, RequestRecord, Terms
from .words import Medium

_REFUSAL_DAYS = 60
_CALLBACK_DAYS = 5
_EBR_AFTER_CONTRACT = timedelta(days=18 * 30)
_EBR_AFTER_REQUEST = timedelta(days=90)
_WINDOWS: dict[Medium, WindowFact] = {
    "voice_live": "call_window",
    "voice_auto": "call_window",
    "sms": "sms_window",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same at a place for a whole day.

    ``turns_at`` is when other rules begin. ``calls`` are allowed in ``calls_days`` days, None if
    they are not limited; those from ``calls_since`` on count, and are recent refusals from
    ``refusals_since`` on. ``has_hours``: the window is not open at all hours.
    """

    on: date
    fact: WindowFact | None
    hours: tuple[Hours, ...]
    has_hours: bool
    turns_at: datetime | None
    consent_days: int | None
    calls: int | None
    calls_days: int
    calls_since: datetime
    refusal_days: int
    refusals_since: datetime


@dataclass(frozen=True, slots=True)
class Scene:
    """What is the same for everybody at one place and moment: the law, the clock, the campaign.

    ``base`` are the facts about somebody of whom nothing is known; ``shuts_at`` is when the hours
    close.
    """

    chapter: Chapter
    country: str
    zone: str
    at: datetime
    terms: Terms
    media: Media
    medium: Medium
    base: Facts
    shuts_at: datetime | None
    frame: Frame


def set_scene(
    chapter: Chapter,
    *,
    country: str,
    zone: str,
    terms: Terms,
    media: Media,
    medium: Medium,
    at: datetime,
) -> Scene:
    """Find out what is the same for everybody at a place and a moment."""
    frame = _frame(chapter, zone, local_date(at, zone), medium)
    shuts_at = closing(frame.hours, at, zone)
    window: Window = "outside" if shuts_at is None else "inside"
    base = Facts(
        purpose=terms.purpose,
        sector=terms.sector,
        call_window=window if frame.fact == "call_window" else "inside",
        sms_window=window if frame.fact == "sms_window" else "inside",
        caller_id_range=_caller_id_range(chapter, terms.caller_id),
    )
    return Scene(
        chapter,
        country,
        zone,
        at,
        terms,
        media,
        medium,
        base,
        shuts_at if frame.has_hours else None,
        frame,
    )


@lru_cache(maxsize=1024)
def _frame(chapter: Chapter, zone: str, on: date, medium: Medium) -> Frame:
    fact = _WINDOWS.get(medium)
    hours = () if fact is None else chapter.hours(fact)
    calls_days = chapter.number("attempts_days")
    refusal_days = chapter.number("refusal_days") or _REFUSAL_DAYS
    return Frame(
        on,
        fact,
        hours,
        any(one.holds(on) for one in hours),
        None if chapter.ends is None else midnight(chapter.ends, zone),
        chapter.number("consent_days", medium),
        None if calls_days is None else chapter.number("attempts"),
        calls_days or 1,
        midnight(on - timedelta(days=(calls_days or 1) - 1), zone),
        refusal_days,
        midnight(on - timedelta(days=refusal_days), zone),
    )


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """Give the earliest of some moments, None standing for never."""
    return min((one for one in moments if one is not None), default=None)


def _caller_id_range(chapter: Chapter, number: str | None) -> CallerIdRange:
    ranges = [prefix for one in chapter.caller_ids for prefix in one.prefixes]
    if number is None or not ranges:
        return "npv"
    return "npv" if number.startswith(tuple(ranges)) else "not_npv"


def facts_of(known: Known, scene: Scene, objection: Objection) -> Facts:
    """Compute the facts about somebody."""
    terms, base, profile = scene.terms, scene.base, known.profile
    contracts = [one for one in known.contracts if one.brand == terms.brand]
    requests = [one for one in known.requests if one.brand == terms.brand and one.at <= scene.at]
    consent, valid = _consented(known, scene)
    # Positions, not ``replace``: ten thousand of a batch wait for this.
    return Facts(
        objection,
        consent,
        _contract(contracts, scene) if contracts else "none",
        base.retention,
        base.purpose,
        base.sector,
        _inbound_request(requests, scene) if requests else "none",
        base.call_window,
        base.sms_window,
        _agreed_until(valid, scene) is not None,
        _attempts(known.attempts, scene),
        _refusal(known.attempts, scene),
        terms.object in profile.fits,
        bool(contracts) and _was_customer(contracts, scene, years=1),
        bool(contracts) and _was_customer(contracts, scene, years=3),
        _ebr(contracts, requests, scene),
        profile.subscriber,
        "complete" if contracts and _soft_opt_in(contracts, scene) else "none",
        base.caller_id_range,
    )


def ends_at(known: Known, scene: Scene) -> datetime | None:
    """Tell when the first of the facts ends by itself that an allow may rest on."""
    _, valid = _consented(known, scene)
    consents = [lasts_until(one, days=scene.frame.consent_days, zone=scene.zone) for one in valid]
    contracts = [
        None if one.to_on is None else midnight(one.to_on, scene.zone)
        for one in known.contracts
        if one.brand == scene.terms.brand and _is_related(one, scene)
    ]
    # Within an agreed time the closing of the hours ends nothing.
    shuts_at = _agreed_until(valid, scene) or scene.shuts_at
    return earliest((shuts_at, scene.frame.turns_at, latest(consents), latest(contracts)))


def latest(moments: Sequence[datetime | None]) -> datetime | None:
    """Give the latest of some moments, None standing for never; of none, None."""
    ends = [one for one in moments if one is not None]
    return max(ends) if ends and len(ends) == len(moments) else None


def _consented(known: Known, scene: Scene) -> tuple[Consent, list[ConsentRecord]]:
    if not known.consents:
        return "none", []
    return consented(
        known.consents,
        scene.terms,
        media=scene.media,
        at=scene.at,
        days=scene.frame.consent_days,
        zone=scene.zone,
    )


def _agreed_until(valid: Sequence[ConsentRecord], scene: Scene) -> datetime | None:
    """Tell until when a time that was agreed lasts; one that the campaign names must be it."""
    said = scene.terms.slot
    ends = [
        upto
        for one in valid
        for first, upto in one.slots
        if first <= scene.at < upto and (said is None or first <= said < upto)
    ]
    return max(ends, default=None)


def _is_ongoing(one: ContractRecord, scene: Scene) -> bool:
    return one.from_on <= scene.frame.on and (one.to_on is None or scene.frame.on < one.to_on)


def _is_related(one: ContractRecord, scene: Scene) -> bool:
    return _is_ongoing(one, scene) and one.object == scene.terms.object


def _contract(contracts: Sequence[ContractRecord], scene: Scene) -> Contract:
    if any(_is_related(one, scene) for one in contracts):
        return "ongoing_related"
    if any(_is_ongoing(one, scene) for one in contracts):
        return "ongoing_unrelated"
    return "ended" if any(one.from_on <= scene.frame.on for one in contracts) else "none"


def _was_customer(contracts: Sequence[ContractRecord], scene: Scene, *, years: int) -> bool:
    return any(
        one.from_on <= scene.frame.on
        and (one.to_on is None or scene.frame.on < _anniversary(one.to_on, years))
        for one in contracts
    )


def _anniversary(on: date, years: int) -> date:
    return years_later(datetime(on.year, on.month, on.day), years).date()  # noqa: DTZ001 - a day


def _ebr(
    contracts: Sequence[ContractRecord], requests: Sequence[RequestRecord], scene: Scene
) -> bool:
    return any(
        one.from_on <= scene.frame.on
        and (one.to_on is None or scene.frame.on < one.to_on + _EBR_AFTER_CONTRACT)
        for one in contracts
    ) or any(scene.at < one.at + _EBR_AFTER_REQUEST for one in requests)


def _soft_opt_in(contracts: Sequence[ContractRecord], scene: Scene) -> bool:
    return any(
        one.opt_out_offered and one.from_on <= scene.frame.on and one.object == scene.terms.object
        for one in contracts
    )


def _inbound_request(requests: Sequence[RequestRecord], scene: Scene) -> InboundRequest:
    days = scene.chapter.number("callback_working_days") or _CALLBACK_DAYS
    on_topic = [one for one in requests if one.object == scene.terms.object]
    if any(
        scene.frame.on <= working_days_after(local_date(one.at, scene.zone), days, scene.country)
        for one in on_topic
    ):
        return "fresh_on_topic"
    if on_topic:
        return "stale"
    return "off_topic" if requests else "none"


def counted(attempts: Sequence[AttemptRecord], scene: Scene) -> list[datetime]:
    """List the calls that count for the campaign's company."""
    brand, at = scene.terms.brand, scene.at
    return [
        one.at
        for one in attempts
        if one.at <= at and (brand is None or one.brand is None or one.brand == brand)
    ]


def _attempts(attempts: Sequence[AttemptRecord], scene: Scene) -> Attempts:
    # Nobody was called too often of whom fewer calls are on record.
    if scene.frame.calls is None or len(attempts) < scene.frame.calls:
        return "under_four"
    within = sum(at >= scene.frame.calls_since for at in counted(attempts, scene))
    return "four_or_more" if within >= scene.frame.calls else "under_four"


def _refusal(attempts: Sequence[AttemptRecord], scene: Scene) -> Refusal:
    refused = [one for one in attempts if one.refused]
    times = counted(refused, scene) if refused else ()
    if not times:
        return "none"
    return "within_60d" if max(times) >= scene.frame.refusals_since else "older"


def released_at(fact: str, known: Known, scene: Scene) -> datetime | None:
    """Tell from when on too many calls, or a refusal, no longer count; None if they never did."""
    if fact == "refusal":
        refused = counted([one for one in known.attempts if one.refused], scene)
        if not refused:
            return None
        return _midnight_after(max(refused), scene.frame.refusal_days + 1, scene.zone)
    times = sorted(counted(known.attempts, scene), reverse=True)
    if scene.frame.calls is None or len(times) < scene.frame.calls:
        return None
    return _midnight_after(times[scene.frame.calls - 1], scene.frame.calls_days, scene.zone)


def _midnight_after(at: datetime, days: int, zone: str) -> datetime:
    return midnight(local_date(at, zone) + timedelta(days=days), zone)
