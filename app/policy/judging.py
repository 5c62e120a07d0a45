"""Judging: what is on record and a moment in, a decision with its reasons out."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from app.journal import Media

from .calendars import local_date, opening, spans_of
from .computing import Scene, earliest, ends_at, facts_of, released_at, set_scene
from .facts import Objection
from .law import UNKNOWN_LAW, Law, Matched
from .packs import ENDED_BY_TIME, Rule
from .places import Places
from .records import NOTHING_KNOWN, Known, Terms
from .rulings import Obligation, Reason, Ruling
from .shapes import Shapes
from .words import STRICTNESS, Decision, medium_of

_MOST_STEPS = 12
_MOST_LATER = 1_000
_MOST_SHAPES = 50_000


@dataclass(frozen=True, slots=True)
class Found:
    """What one country's law comes to by one clock; ``scene`` is None where it is not known."""

    matched: Matched
    scene: Scene | None


class Brief(NamedTuple):
    """A decision with its first reason: what a line of a batch holds. There may be a million."""

    decision: Decision
    code: str
    next_allowed_at: datetime | None


class Hearing:
    """One campaign at one moment, for whoever it would contact.

    What is the same for many people is computed once: keep it for a batch.
    """

    def __init__(self, law: Law, terms: Terms, media: Media, at: datetime) -> None:
        """Take the law, a single medium, and the moment."""
        self._law = law
        self._terms = terms
        self._media = media
        self._medium = medium_of(media, automated=terms.automated)
        self._at = at
        self._scenes: dict[tuple[str, str], Scene | None] = {}
        self._strangers: dict[tuple[Places, Objection], Ruling] = {}
        self._later: dict[datetime, Hearing] = {}
        self._briefs: dict[Hashable, Brief] = {}

    @cached_property
    def _shapes(self) -> Shapes:
        return Shapes(self._law)

    def judge(self, known: Known, places: Places, *, objection: Objection = "none") -> Ruling:
        """Decide whether somebody may be contacted."""
        if known is not NOTHING_KNOWN:
            return self._judge(known, places, objection)
        ruling = self._strangers.get((places, objection))
        if ruling is None:
            ruling = self._judge(known, places, objection)
            self._strangers[places, objection] = ruling
        return ruling

    def _judge(self, known: Known, places: Places, objection: Objection) -> Ruling:
        found = self._find(known, places, objection)
        next_at = ends = None
        decision = strictest(found)
        if decision == "defer":
            next_at = self._next(found, known, places, objection)
        elif decision == "allow":
            ends = earliest(ends_at(known, one.scene) for one in found if one.scene is not None)
        return combine(places, found, next_allowed_at=next_at, valid_until=ends)

    def turns_at(self, places: Places) -> datetime | None:
        """Tell when hours open or close next on the civil day of each place; None: not on it."""
        scenes = (
            self._scene(country, zone) for country in places.countries for zone in places.zones
        )
        return earliest(
            turn
            for scene in scenes
            if scene is not None
            for span in spans_of(scene.frame.hours, scene.frame.on, scene.zone)
            for turn in span
            if turn > self._at
        )

    def decide(self, known: Known, places: Places) -> Brief:
        """Decide, and tell no more than a line of a batch holds."""
        shape = (self._shapes.of(known, self._at), places)
        brief = self._briefs.get(shape)
        if brief is None:
            if len(self._briefs) >= _MOST_SHAPES:
                self._briefs.clear()
            brief = self._briefs[shape] = self._decide(known, places)
        return brief

    def _decide(self, known: Known, places: Places) -> Brief:
        found = self._find(known, places, "none")
        decision = strictest(found)
        deciding = next(one.matched for one in found if one.matched.decision == decision)
        next_at = self._next(found, known, places, "none") if decision == "defer" else None
        return Brief(decision, deciding.reasons[0].code, next_at)

    def _find(self, known: Known, places: Places, objection: Objection) -> list[Found]:
        return [
            self._find_one(known, country, zone, objection)
            for country in places.countries
            for zone in places.zones
        ]

    def _find_one(self, known: Known, country: str, zone: str, objection: Objection) -> Found:
        scene = self._scene(country, zone)
        if scene is None:
            return Found(UNKNOWN_LAW, None)
        facts = facts_of(known, scene, objection)
        return Found(scene.chapter.match(self._medium, known.profile.audience, facts), scene)

    def _scene(self, country: str, zone: str) -> Scene | None:
        if (country, zone) not in self._scenes:
            self._scenes[country, zone] = self._set_scene(country, zone)
        return self._scenes[country, zone]

    def _set_scene(self, country: str, zone: str) -> Scene | None:
        chapter = self._law.chapter(country, local_date(self._at, zone))
        if chapter is None:
            return None
        return set_scene(
            chapter,
            country=country,
            zone=zone,
            terms=self._terms,
            media=self._media,
            medium=self._medium,
            at=self._at,
        )

    def _next(
        self, found: Sequence[Found], known: Known, places: Places, objection: Objection
    ) -> datetime | None:
        """Find when it may become an allow: what waits is waited for, until nothing does."""
        at, hearing = self._at, self
        for _ in range(_MOST_STEPS):
            waits = [
                _release(rule, known, one.scene, at)
                for one in found
                if one.scene is not None
                for rule in one.matched.waiting
            ]
            moments = [one for one in waits if one is not None and one > at]
            if len(moments) < len(waits):
                return None
            at = max(moments)
            hearing = self._hearing_at(at)
            found = hearing._find(known, places, objection)  # noqa: SLF001 - one of its own
            decision = strictest(found)
            if decision != "defer":
                return at if decision == "allow" else None
        return None

    def _hearing_at(self, at: datetime) -> "Hearing":
        hearing = self._later.get(at)
        if hearing is None:
            if len(self._later) >= _MOST_LATER:
                self._later.clear()
            hearing = self._later[at] = Hearing(self._law, self._terms, self._media, at)
        return hearing


def _release(rule: Rule, known: Known, scene: Scene, at: datetime) -> datetime | None:
    """Tell when a constraint no longer holds: with the first of its facts that time ends."""
    moments = []
    for fact in rule.when:
        if fact in ("call_window", "sms_window"):
            moments.append(opening(scene.frame.hours, at, scene.zone))
        elif fact in ENDED_BY_TIME:
            moments.append(released_at(fact, known, scene))
    return earliest(moments)


def strictest(found: Sequence[Found]) -> Decision:
    """Tell the strictest of some decisions."""
    if len(found) == 1:
        return found[0].matched.decision
    return max((one.matched.decision for one in found), key=STRICTNESS.index)


def combine(
    places: Places,
    found: Sequence[Found],
    *,
    next_allowed_at: datetime | None = None,
    valid_until: datetime | None = None,
) -> Ruling:
    """Put together what several laws and clocks come to: the stricter wins."""
    decision = strictest(found)
    chapters = [one.scene.chapter for one in found if one.scene is not None]
    reasons: dict[Reason, None] = {}
    duties: dict[Obligation, None] = {}
    for one in found:
        if one.matched.decision == decision:
            reasons |= dict.fromkeys(one.matched.reasons)
        if decision != "block":
            duties |= dict.fromkeys(one.matched.duties)
    return Ruling(
        decision=decision,
        reasons=tuple(reasons),
        next_allowed_at=next_allowed_at,
        obligations=tuple(duties),
        valid_until=valid_until,
        countries=places.countries,
        source=places.source,
        packs=tuple(dict.fromkeys(label for chapter in chapters for label in chapter.labels)),
        incomplete=any(chapter.incomplete for chapter in chapters),
    )
