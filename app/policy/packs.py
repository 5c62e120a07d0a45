"""Packs: the rules, numbers and hours of one country, or of an operator's own, each with its dates.

An interval [``starts``, ``ends``) is one of civil days at the place of the person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from .facts import FACTS, Facts
from .words import Audience, Confidence, Medium


class BadPack(Exception):  # noqa: N818 - it names what is bad, and where
    """A pack that is not loaded; the message says in which file and line, and why."""


RuleKind = Literal["prohibit", "review", "constrain", "permit", "oblige"]
"""``oblige`` decides nothing: it says what a contact that is not blocked must do."""

Role = Literal["base", "country", "operator"]
"""A country pack adds to the base packs of its countries; an operator's may only tighten."""

ParameterName = Literal[
    "attempts",
    "attempts_days",
    "refusal_days",
    "consent_days",
    "callback_working_days",
    "retention_years",
    "evidence_years",
    "bloctel_days",
    "tps_days",
    "us_dnc_days",
    "rpo_days",
]

GROWING: frozenset[ParameterName] = frozenset({"attempts_days", "refusal_days", "evidence_years"})
"""Numbers that a stricter pack makes larger; the others it makes smaller."""

WindowFact = Literal["call_window", "sms_window"]

ENDED_BY_TIME: Mapping[str, frozenset[str | bool]] = {
    "call_window": frozenset({"outside"}),
    "sms_window": frozenset({"outside"}),
    "attempts_30d": frozenset({"four_or_more"}),
    "refusal": frozenset({"within_60d"}),
}
"""What passes by itself, so that a constraint may wait for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Dated:
    """What holds from one day on and before another (None: without an end), and where it stands.

    ``place`` is a file and a line, for who must mend it. Each is itself and no other, so that it is
    found in a memory without its fields being looked at.
    """

    starts: date
    ends: date | None
    place: str

    def holds(self, on: date) -> bool:
        """Tell whether it is in force on a day."""
        return self.starts <= on and (self.ends is None or on < self.ends)

    def overlaps(self, other: "Dated") -> bool:
        """Tell whether both are in force on some day."""
        return (other.ends is None or self.starts < other.ends) and (
            self.ends is None or other.starts < self.ends
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Dated):
    """A rule: what it does to a contact by one of ``media`` if each fact in ``when`` fits."""

    id: str
    kind: RuleKind
    media: frozenset[Medium]
    audience: frozenset[Audience]
    when: Mapping[str, frozenset[str | bool]]
    reason: str
    basis: tuple[str, ...]
    confidence: Confidence
    note: str | None
    french: str
    english: str

    def fits(self, facts: Facts) -> bool:
        """Tell whether it applies under some facts."""
        return all(getattr(facts, fact) in values for fact, values in self.when.items())

    def covers(self, other: "Rule") -> bool:
        """Tell whether it applies wherever another one does, as far as days allow."""
        return (
            self.overlaps(other)
            and other.media <= self.media
            and other.audience <= self.audience
            and all(
                other.when.get(fact, frozenset(FACTS[fact])) <= values
                for fact, values in self.when.items()
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Dated):
    """A number that facts are computed with; without ``media`` it holds for all."""

    name: ParameterName
    value: int
    media: frozenset[Medium]
    basis: tuple[str, ...]
    confidence: Confidence
    note: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Hours(Dated):
    """When a window is open: on some days of the week (0: Monday), between minutes of the day.

    ``holidays`` is the country on whose public holidays it stays shut, None for none.
    """

    fact: WindowFact
    days: frozenset[int]
    open: tuple[tuple[int, int], ...]
    holidays: str | None
    basis: tuple[str, ...]
    confidence: Confidence


@dataclass(frozen=True, slots=True, eq=False)
class CallerIds(Dated):
    """The beginnings, in E.164, of numbers that an automated call may show."""

    prefixes: tuple[str, ...]
    basis: tuple[str, ...]
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as it was read; ``incomplete``: it does not hold the whole law of its countries."""

    name: str
    version: str
    role: Role
    french: str
    english: str
    countries: frozenset[str]
    incomplete: bool
    rules: tuple[Rule, ...]
    parameters: tuple[Parameter, ...]
    hours: tuple[Hours, ...]
    caller_ids: tuple[CallerIds, ...]

    @property
    def label(self) -> str:
        """Name it with its version, as answers do."""
        return f"{self.name} {self.version}"

    @property
    def dated(self) -> tuple[Dated, ...]:
        """List all that has an interval."""
        return (*self.rules, *self.parameters, *self.hours, *self.caller_ids)

    @property
    def turns(self) -> frozenset[date]:
        """List the days on which anything begins or ends."""
        days = {day for one in self.dated for day in (one.starts, one.ends) if day is not None}
        return frozenset(days)


DAY = timedelta(days=1)
