"""The law: all packs together, opened at a country and a day."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from .contradictions import require_consistent
from .facts import Facts
from .packs import (
    GROWING,
    CallerIds,
    Hours,
    Pack,
    Parameter,
    ParameterName,
    Role,
    Rule,
    RuleKind,
    WindowFact,
)
from .rulings import Obligation, Reason
from .words import Audience, Decision, Medium

_MOST_REMEMBERED = 20_000
_ORDER: tuple[Role, ...] = ("base", "country", "operator")
_DECIDES: tuple[tuple[RuleKind, Decision], ...] = (("prohibit", "block"), ("review", "review"))

NO_LEGAL_BASIS = Reason(
    "no_legal_basis",
    None,
    None,
    (),
    "high",
    "Rien ne permet ce contact : ni consentement, ni contrat, ni autre base.",
    "Nothing permits this contact: no consent, no contract, no other basis.",
)
UNKNOWN_JURISDICTION = Reason(
    "unknown_jurisdiction",
    None,
    None,
    (),
    "high",
    "Les règles de ce pays ne sont pas connues : on ne contacte pas.",
    "The rules of this country are not known: nobody is contacted.",
)


@dataclass(frozen=True, slots=True)
class Matched:
    """What the rules come to under some facts; ``waiting`` are the constraints that defer."""

    decision: Decision
    reasons: tuple[Reason, ...]
    duties: tuple[Obligation, ...] = ()
    waiting: tuple[Rule, ...] = ()


UNKNOWN_LAW = Matched("block", (UNKNOWN_JURISDICTION,))


@dataclass(slots=True, eq=False)
class Chapter:
    """What is in force in a country from one day on and before ``ends`` (None: nothing changes).

    It remembers what it answered, for the same facts have the same answer.
    """

    packs: tuple[Pack, ...]
    starts: date
    ends: date | None
    _rules: Mapping[tuple[Medium, Audience], tuple[tuple[Rule, Pack], ...]] = field(init=False)
    _answers: dict[tuple[Medium, Audience, Facts], Matched] = field(init=False)
    _numbers: dict[tuple[ParameterName, Medium | None], int | None] = field(init=False)
    _hours: dict[WindowFact, tuple[Hours, ...]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the rules by what they are about."""
        in_force = [
            (rule, pack) for pack in self.packs for rule in pack.rules if rule.holds(self.starts)
        ]
        sorted_rules: dict[tuple[Medium, Audience], tuple[tuple[Rule, Pack], ...]] = {}
        for medium in ("voice_live", "voice_auto", "sms", "email", "post"):
            for whom in ("consumer", "professional"):
                sorted_rules[medium, whom] = tuple(
                    (rule, pack)
                    for rule, pack in in_force
                    if medium in rule.media and whom in rule.audience
                )
        self._rules = sorted_rules
        self._answers = {}
        self._numbers = {}
        self._hours = {
            fact: tuple(one for pack in self.packs for one in pack.hours if one.fact == fact)
            for fact in ("call_window", "sms_window")
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the packs with their versions."""
        return tuple(pack.label for pack in self.packs)

    @property
    def incomplete(self) -> bool:
        """Tell whether a pack does not hold the whole law."""
        return any(pack.incomplete for pack in self.packs)

    def match(self, medium: Medium, audience: Audience, facts: Facts) -> Matched:
        """Answer by the rules: prohibit, review, constrain where a permit fits, permit."""
        judged_as: Audience = "consumer" if audience == "unknown" else audience
        question = (medium, judged_as, facts)
        known = self._answers.get(question)
        if known is None:
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            known = self._answers[question] = self._match(*question)
        return known

    def _match(self, medium: Medium, audience: Audience, facts: Facts) -> Matched:
        fitting = [one for one in self._rules[medium, audience] if one[0].fits(facts)]
        by_kind: dict[RuleKind, list[tuple[Rule, Pack]]] = {}
        for rule, pack in fitting:
            by_kind.setdefault(rule.kind, []).append((rule, pack))
        duties = tuple(
            Obligation(rule.reason, rule.basis, rule.french, rule.english)
            for rule, _ in by_kind.get("oblige", ())
        )
        for kind, decision in _DECIDES:
            if kind in by_kind:
                told = () if decision == "block" else duties
                return Matched(decision, _reasons(by_kind[kind]), told)
        if "permit" not in by_kind:
            return Matched("block", (NO_LEGAL_BASIS,))
        if "constrain" in by_kind:
            waiting = tuple(rule for rule, _ in by_kind["constrain"])
            return Matched("defer", _reasons(by_kind["constrain"]), duties, waiting)
        return Matched("allow", _reasons(by_kind["permit"]), duties)

    def number(self, name: ParameterName, medium: Medium | None = None) -> int | None:
        """Give a number of the law, the strictest of those in force; None if there is none."""
        asked = (name, medium)
        if asked not in self._numbers:
            values = [
                one.value
                for one in self.parameters
                if one.name == name and (medium is None or medium in one.media)
            ]
            strictest = max if name in GROWING else min
            self._numbers[asked] = strictest(values) if values else None
        return self._numbers[asked]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """List the numbers in force."""
        return tuple(
            one for pack in self.packs for one in pack.parameters if one.holds(self.starts)
        )

    def hours(self, fact: WindowFact) -> tuple[Hours, ...]:
        """List all the hours of a window, of whichever days: what is asked may lie ahead."""
        return self._hours[fact]

    @property
    def caller_ids(self) -> tuple[CallerIds, ...]:
        """List the ranges in force that automated calls may show."""
        return tuple(
            one for pack in self.packs for one in pack.caller_ids if one.holds(self.starts)
        )


def _reasons(rules: Sequence[tuple[Rule, Pack]]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            rule.reason,
            rule.id,
            pack.name,
            rule.basis,
            rule.confidence,
            rule.french,
            rule.english,
        )
        for rule, pack in rules
    )


class Law:
    """The packs of one process; they never change while it lives."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        """Take packs that can be in force together.

        Raises:
            BadPack: they contradict themselves or one another.
        """
        require_consistent(packs)
        self.packs = tuple(sorted(packs, key=lambda pack: (_ORDER.index(pack.role), pack.name)))
        self._turns: dict[str, list[date]] = {}
        self._chapters: dict[tuple[str, int], Chapter] = {}

    @property
    def countries(self) -> frozenset[str]:
        """List the countries whose law is known."""
        packs = (pack for pack in self.packs if pack.role == "country")
        return frozenset(country for pack in packs for country in pack.countries)

    def packs_of(self, country: str) -> tuple[Pack, ...]:
        """List the packs that apply in a country; none where its own is missing."""
        packs = tuple(pack for pack in self.packs if country in pack.countries)
        return packs if any(pack.role == "country" for pack in packs) else ()

    def chapter(self, country: str, on: date) -> Chapter | None:
        """Open the law of a country at a day; None where it is not known."""
        turns = self._turns.get(country)
        if turns is None:
            found = frozenset[date]().union(*(pack.turns for pack in self.packs_of(country)))
            turns = self._turns[country] = sorted(found)
        if not turns:
            return None
        epoch = bisect_right(turns, on)
        chapter = self._chapters.get((country, epoch))
        if chapter is None:
            starts = turns[epoch - 1] if epoch else date.min
            ends = turns[epoch] if epoch < len(turns) else None
            chapter = Chapter(self.packs_of(country), starts, ends)
            self._chapters[country, epoch] = chapter
        return chapter
