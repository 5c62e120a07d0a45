"""The rules in force over the wire, and the question what they come to under given facts."""

import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BeforeValidator, Field, WithJsonSchema, create_model

from app.journal import MediumWord
from app.platform.wire import Answer, Flag, Instant, WireModel
from app.policy import (
    Audience,
    CallerIds,
    Confidence,
    Facts,
    Hours,
    Medium,
    Pack,
    Parameter,
    Rule,
    medium_of,
)

from .lawful_models import SentenceOut

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES = 60


def _day(value: object) -> date:
    # Left to itself pydantic takes seconds since 1970, and Python takes weeks.
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a date is needed, as 2026-01-31")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]

_TYPES = get_type_hints(Facts)
_GIVEN: dict[str, Any] = {
    one.name: (Flag if one.type is bool else _TYPES[one.name], one.default) for one in fields(Facts)
}
FactsIn: Any = create_model(
    "FactsIn",
    __base__=WireModel,
    __doc__="The facts about one contact; each left out is what it is if nothing is known.",
    **_GIVEN,
)


class EvaluationIn(WireModel):
    """What would be answered under these facts?"""

    at: Instant = Field(description="The rules of its civil day, at the place of the person")
    country: Country
    medium: MediumWord
    automated: Flag = False
    audience: Audience = "unknown"
    facts: FactsIn = FactsIn()

    @property
    def judged_as(self) -> Medium:
        """Name the medium as rules do."""
        return medium_of(self.medium, automated=self.automated)

    @property
    def as_facts(self) -> Facts:
        """Read the facts."""
        return Facts(**dict(self.facts))


class PoliciesQuery(WireModel):
    """Which rules are asked for."""

    on: Day | None = Field(None, description="Left out: today, in OPTOUT_TIME_ZONE")
    country: Country | None = Field(None, description="Left out: every pack")


class DatedOut(Answer):
    """What holds on the days [`from`, `to`), at the place of the person; null: without an end."""

    from_: date = Field(serialization_alias="from")
    to: date | None


class RuleOut(DatedOut):
    """A rule, in plain words and as it is applied."""

    id: str
    kind: Literal["prohibit", "review", "constrain", "permit", "oblige"]
    media: list[Medium]
    audience: list[Audience]
    when: dict[str, list[str | bool]] = Field(description="Facts, and values that fit; all must")
    reason: str
    basis: list[str]
    confidence: Confidence
    note: str | None
    says: SentenceOut


class ParameterOut(DatedOut):
    """A number that facts are computed with."""

    name: str
    value: int
    media: list[Medium]
    basis: list[str]
    confidence: Confidence
    note: str | None


class HoursOut(DatedOut):
    """When a window is open, by the clock of the person."""

    fact: str
    days: list[str]
    open: list[str]
    holidays: str | None = Field(description="Shut on the public holidays of this country")
    basis: list[str]
    confidence: Confidence


class CallerIdsOut(DatedOut):
    """Numbers that an automated call may show, by how they begin."""

    prefixes: list[str]
    basis: list[str]
    confidence: Confidence


class PackOut(Answer):
    """A pack: what of it is in force."""

    pack: str
    version: str
    role: Literal["base", "country", "operator"]
    title: SentenceOut
    countries: list[str]
    incomplete: bool = Field(description="It does not hold the whole law of its countries")
    rules: list[RuleOut]
    parameters: list[ParameterOut]
    hours: list[HoursOut]
    caller_ids: list[CallerIdsOut]


class ChangeOut(Answer):
    """What begins or ends on a day."""

    pack: str
    change: Literal["begins", "ends"]
    what: Literal["rule", "parameter", "hours", "caller_ids"]
    name: str = Field(description="A rule's number, a parameter's or a window's name")
    says: SentenceOut | None


class NextChangeOut(Answer):
    """The next day on which anything changes."""

    on: date
    changes: list[ChangeOut]


class PoliciesOut(Answer):
    """The rules in force on a day, and what changes next. No legal advice."""

    on: date
    packs: list[PackOut]
    next_change: NextChangeOut | None


def shown_pack(pack: Pack, on: date) -> PackOut:
    """Show what of a pack is in force on a day."""
    return PackOut(
        pack=pack.name,
        version=pack.version,
        role=pack.role,
        title=SentenceOut(fr=pack.french, en=pack.english),
        countries=sorted(pack.countries),
        incomplete=pack.incomplete,
        rules=[_rule(one) for one in pack.rules if one.holds(on)],
        parameters=[_parameter(one) for one in pack.parameters if one.holds(on)],
        hours=[_hours(one) for one in pack.hours if one.holds(on)],
        caller_ids=[_caller_ids(one) for one in pack.caller_ids if one.holds(on)],
    )


def next_change(packs: Iterable[Pack], on: date) -> NextChangeOut | None:
    """Tell what changes next after a day, None if nothing will."""
    packs = list(packs)
    turn = min((day for pack in packs for day in pack.turns if day > on), default=None)
    if turn is None:
        return None
    return NextChangeOut(on=turn, changes=[one for pack in packs for one in _changes(pack, turn)])


def _changes(pack: Pack, turn: date) -> Iterable[ChangeOut]:
    named = (
        *(("rule", one.id, one) for one in pack.rules),
        *(("parameter", one.name, one) for one in pack.parameters),
        *(("hours", one.fact, one) for one in pack.hours),
        *(("caller_ids", "caller_ids", one) for one in pack.caller_ids),
    )
    for what, name, one in named:
        if turn in (one.starts, one.ends):
            says = SentenceOut(fr=one.french, en=one.english) if isinstance(one, Rule) else None
            change = "begins" if turn == one.starts else "ends"
            yield ChangeOut.model_validate(
                {"pack": pack.name, "change": change, "what": what, "name": name, "says": says}
            )


def _rule(rule: Rule) -> RuleOut:
    return RuleOut(
        from_=rule.starts,
        to=rule.ends,
        id=rule.id,
        kind=rule.kind,
        media=sorted(rule.media),
        audience=sorted(rule.audience),
        when={fact: sorted(values, key=str) for fact, values in rule.when.items()},
        reason=rule.reason,
        basis=list(rule.basis),
        confidence=rule.confidence,
        note=rule.note,
        says=SentenceOut(fr=rule.french, en=rule.english),
    )


def _parameter(one: Parameter) -> ParameterOut:
    return ParameterOut(
        from_=one.starts,
        to=one.ends,
        name=one.name,
        value=one.value,
        media=sorted(one.media),
        basis=list(one.basis),
        confidence=one.confidence,
        note=one.note,
    )


def _hours(one: Hours) -> HoursOut:
    return HoursOut(
        from_=one.starts,
        to=one.ends,
        fact=one.fact,
        days=[_WEEK[day] for day in sorted(one.days)],
        open=[f"{_clock(first)}-{_clock(upto)}" for first, upto in one.open],
        holidays=one.holidays,
        basis=list(one.basis),
        confidence=one.confidence,
    )


def _clock(minutes: int) -> str:
    return f"{minutes // _MINUTES:02}:{minutes % _MINUTES:02}"


def _caller_ids(one: CallerIds) -> CallerIdsOut:
    return CallerIdsOut(
        from_=one.starts,
        to=one.ends,
        prefixes=list(one.prefixes),
        basis=list(one.basis),
        confidence=one.confidence,
    )
