"""What the law answers under facts as they are given: none is computed from the moment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.journal import Media

from .calendars import closing, local_date, midnight, opening
from .computing import Scene, earliest, set_scene
from .facts import Facts
from .judging import Found, combine, strictest
from .law import UNKNOWN_LAW, Law
from .packs import DAY, ENDED_BY_TIME, Rule
from .places import Places
from .records import Terms
from .rulings import Ruling
from .words import Audience, Medium

_MEDIA: dict[Medium, Media] = {
    "voice_live": Media.VOICE,
    "voice_auto": Media.VOICE,
    "sms": Media.SMS,
    "email": Media.EMAIL,
    "post": Media.POST,
}
_MOST_STEPS = 4


def evaluate(
    law: Law, places: Places, medium: Medium, audience: Audience, facts: Facts, *, at: datetime
) -> Ruling:
    """Decide under facts as they are given.

    ``next_allowed_at`` of a ``defer`` is the latest that it can be, for nobody said when the calls
    or the refusal were.
    """
    found = _find(law, places, medium, audience, facts, at)
    ruling = combine(places, found)
    if ruling.decision == "allow":
        turns = earliest(one.scene.frame.turns_at for one in found if one.scene is not None)
        return replace(ruling, valid_until=turns)
    if ruling.decision != "defer":
        return ruling
    return replace(ruling, next_allowed_at=_next(law, places, medium, audience, facts, found, at))


def _next(
    law: Law,
    places: Places,
    medium: Medium,
    audience: Audience,
    facts: Facts,
    found: Sequence[Found],
    at: datetime,
) -> datetime | None:
    """Tell when it may become an allow, if what waits is waited for."""
    for _ in range(_MOST_STEPS):
        waits = [
            _release(rule, one.scene, at)
            for one in found
            if one.scene is not None
            for rule in one.matched.waiting
        ]
        moments = [one for one in waits if one is not None]
        if not moments or len(moments) < len(waits):
            return None
        at = _when_open([one.scene for one in found if one.scene], max(moments))
        waited_for = {fact for one in found for rule in one.matched.waiting for fact in rule.when}
        facts = _released(facts, waited_for)
        found = _find(law, places, medium, audience, facts, at)
        if strictest(found) != "defer":
            return at if strictest(found) == "allow" else None
    return None


def _find(
    law: Law,
    places: Places,
    medium: Medium,
    audience: Audience,
    facts: Facts,
    at: datetime,
) -> list[Found]:
    found = []
    for country in places.countries:
        for zone in places.zones:
            chapter = law.chapter(country, local_date(at, zone))
            if chapter is None:
                found.append(Found(UNKNOWN_LAW, None))
                continue
            scene = set_scene(
                chapter,
                country=country,
                zone=zone,
                terms=Terms(),
                media=_MEDIA[medium],
                medium=medium,
                at=at,
            )
            found.append(Found(chapter.match(medium, audience, facts), scene))
    return found


def _release(rule: Rule, scene: Scene, at: datetime) -> datetime | None:
    """Tell when a constraint no longer holds at the latest."""
    frame = scene.frame
    days = {"attempts_30d": frame.calls_days, "refusal": frame.refusal_days + 1}
    moments = [
        midnight(local_date(at, scene.zone) + days[fact] * DAY, scene.zone)
        if fact in days
        else opening(
            scene.frame.hours, closing(scene.frame.hours, at, scene.zone) or at, scene.zone
        )
        for fact in rule.when
        if fact in ENDED_BY_TIME
    ]
    return earliest(moments)


def _when_open(scenes: Sequence[Scene], at: datetime) -> datetime:
    """Give the first moment at which all hours are open; the same, if there is none soon."""
    for _ in range(_MOST_STEPS):
        opens = max(opening(scene.frame.hours, at, scene.zone) or at for scene in scenes)
        if opens == at:
            break
        at = opens
    return at


def _released(facts: Facts, waited_for: set[str]) -> Facts:
    """Give the facts as they will be when what was waited for has passed."""
    return replace(
        facts,
        call_window="inside" if "call_window" in waited_for else facts.call_window,
        sms_window="inside" if "sms_window" in waited_for else facts.sms_window,
        attempts_30d="under_four" if "attempts_30d" in waited_for else facts.attempts_30d,
        refusal="older" if "refusal" in waited_for else facts.refusal,
    )
