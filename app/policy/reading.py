"""Reading a pack from its file: YAML, as ``packs/schema.json`` describes it, and nothing more.

Whatever is wrong is told with its file and line, for a person has to mend it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, get_args

import yaml

from .facts import FACTS
from .packs import (
    BadPack,
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
from .words import Audience, Confidence, Medium

T = TypeVar("T")

LONGEST_PACK = 1_000_000
_LONGEST_TEXT = 500
_DEEPEST = 12
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast where the library was built with it."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_CODE = re.compile(r"[a-z0-9_]{1,80}", re.ASCII)
_RULE = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_PREFIX = re.compile(r"\+[0-9]{1,14}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MEDIA: tuple[Medium, ...] = get_args(Medium)
_AUDIENCES: tuple[Audience, ...] = ("consumer", "professional")
_DAY_MINUTES = 24 * 60


def read(file: str, text: str) -> Pack:
    """Read a pack; ``file`` is only named where something is wrong.

    Raises:
        BadPack: it is no pack; of several faults the first.
    """
    if len(text) > LONGEST_PACK:
        raise BadPack(f"{file}:1: longer than {LONGEST_PACK:,} characters")
    try:
        _require_shallow(file, text)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadPack(f"{file}:{line}: no YAML: {error.problem}") from None
    except yaml.YAMLError:
        raise BadPack(f"{file}:1: no YAML") from None
    if root is None:
        raise BadPack(f"{file}:1: it is empty")
    return _pack(_Value(file, root))


def _place(file: str, part: Any) -> str:  # noqa: ANN401 - an event or a node
    return f"{file}:{part.start_mark.line + 1}"


def _require_shallow(file: str, text: str) -> None:
    """Refuse what would multiply when composed, or nest deeper than a stack is."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise BadPack(f"{_place(file, event)}: an alias: write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise BadPack(f"{_place(file, event)}: nested too deep")


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the file, and the ways to read it."""

    file: str
    node: Any

    @property
    def place(self) -> str:
        return _place(self.file, self.node)

    def fault(self, why: str) -> BadPack:
        return BadPack(f"{self.place}: {why}")

    def text(self) -> str:
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.fault("a text is needed")
        written: str = self.node.value
        if not 0 < len(written) <= _LONGEST_TEXT or "\0" in written:
            raise self.fault(f"a text of 1 to {_LONGEST_TEXT} characters is needed")
        return written

    def matching(self, pattern: re.Pattern[str], what: str) -> str:
        text = self.text()
        if not pattern.fullmatch(text):
            raise self.fault(f"{what} is needed, not {text[:40]!r}")
        return text

    def one_of(self, words: tuple[T, ...]) -> T:
        """Read a word, or true and false where they are among the words."""
        text = self.text()
        spelled = {str(word).lower() if word in (True, False) else word: word for word in words}
        if text not in spelled:
            raise self.fault(f"{text[:40]!r} is none of {', '.join(map(str, spelled))}")
        return spelled[text]

    def whole(self) -> int:
        text = self.text()
        if not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
            raise self.fault("a whole number from 1 to 9999 is needed")
        return int(text)

    def date(self) -> date:
        text = self.matching(_DATE, "a date as 2026-01-31")
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise self.fault(f"there is no day {text}") from None

    def items(self, *, least: int = 1) -> "list[_Value]":
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fault("a list is needed")
        if len(self.node.value) < least:
            raise self.fault("an empty list")
        return [_Value(self.file, one) for one in self.node.value]

    def one_or_more(self) -> "list[_Value]":
        return [self] if isinstance(self.node, yaml.ScalarNode) else self.items()

    def members(self) -> "dict[str, _Value]":
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fault("names with values are needed")
        found: dict[str, _Value] = {}
        for key, value in self.node.value:
            named = _Value(self.file, key)
            name = named.text()
            if name in found:
                raise named.fault(f"{name!r} stands there twice")
            found[name] = _Value(self.file, value)
        return found

    def fields(self, *names: str, optional: tuple[str, ...] = ()) -> "dict[str, _Value]":
        found = self.members()
        for name, value in found.items():
            if name not in names and name not in optional:
                raise value.fault(f"there is no {name!r} here")
        for name in names:
            if name not in found:
                raise self.fault(f"{name!r} is missing")
        return found


def _pack(value: _Value) -> Pack:
    given = value.fields(
        *("pack", "version", "title", "role", "countries", "rules"),
        optional=("incomplete", "sources_checked", "parameters", "hours", "caller_ids"),
    )
    if "sources_checked" in given:
        given["sources_checked"].date()
    roles: tuple[Role, ...] = get_args(Role)
    french, english = _says(given["title"])
    return Pack(
        name=given["pack"].matching(_NAME, "a name in lower case"),
        version=given["version"].date().isoformat(),
        role=given["role"].one_of(roles),
        french=french,
        english=english,
        countries=frozenset(
            one.matching(_COUNTRY, "a country as FR") for one in given["countries"].items()
        ),
        incomplete="incomplete" in given and given["incomplete"].one_of((True, False)),
        rules=tuple(_each(given, "rules", _rule)),
        parameters=tuple(_each(given, "parameters", _parameter)),
        hours=tuple(_each(given, "hours", _hours)),
        caller_ids=tuple(_each(given, "caller_ids", _caller_ids)),
    )


def _each(given: Mapping[str, _Value], name: str, read: Callable[[_Value], T]) -> Iterator[T]:
    if name in given:
        yield from map(read, given[name].items(least=0))


def _says(value: _Value) -> tuple[str, str]:
    given = value.fields("fr", "en")
    return given["fr"].text(), given["en"].text()


def _interval(value: _Value, given: Mapping[str, _Value]) -> tuple[date, date | None, str]:
    starts = given["from"].date()
    ends = given["to"].date() if "to" in given else None
    if ends is not None and ends <= starts:
        raise given["to"].fault(f"it ends on {ends}, not after it begins on {starts}")
    return starts, ends, value.place


def _basis(value: _Value) -> tuple[str, ...]:
    return tuple(one.text() for one in value.items())


def _confidence(value: _Value) -> Confidence:
    words: tuple[Confidence, ...] = get_args(Confidence)
    return value.one_of(words)


def _media(given: Mapping[str, _Value]) -> frozenset[Medium]:
    if "media" not in given:
        return frozenset(_MEDIA)
    return frozenset(one.one_of(_MEDIA) for one in given["media"].items())


def _when(value: _Value) -> Mapping[str, frozenset[str | bool]]:
    conditions = {}
    for fact, values in value.members().items():
        if fact not in FACTS:
            raise values.fault(f"there is no fact {fact[:40]!r}")
        allowed = values.one_or_more()
        conditions[fact] = frozenset(one.one_of(FACTS[fact]) for one in allowed)
    return conditions


def _rule(value: _Value) -> Rule:
    given = value.fields(
        *("id", "kind", "from", "media", "when", "reason", "basis", "confidence", "says"),
        optional=("to", "audience", "note"),
    )
    kinds: tuple[RuleKind, ...] = get_args(RuleKind)
    french, english = _says(given["says"])
    whom = given["audience"].items() if "audience" in given else ()
    return Rule(
        *_interval(value, given),
        id=given["id"].matching(_RULE, "a rule's number"),
        kind=given["kind"].one_of(kinds),
        media=_media(given),
        audience=frozenset(one.one_of(_AUDIENCES) for one in whom) or frozenset(_AUDIENCES),
        when=_when(given["when"]),
        reason=given["reason"].matching(_CODE, "a reason in lower case"),
        basis=_basis(given["basis"]),
        confidence=_confidence(given["confidence"]),
        note=given["note"].text() if "note" in given else None,
        french=french,
        english=english,
    )


def _parameter(value: _Value) -> Parameter:
    given = value.fields(
        *("name", "from", "value", "basis", "confidence"), optional=("to", "media", "note")
    )
    names: tuple[ParameterName, ...] = get_args(ParameterName)
    return Parameter(
        *_interval(value, given),
        name=given["name"].one_of(names),
        value=given["value"].whole(),
        media=_media(given),
        basis=_basis(given["basis"]),
        confidence=_confidence(given["confidence"]),
        note=given["note"].text() if "note" in given else None,
    )


def _hours(value: _Value) -> Hours:
    given = value.fields(
        *("fact", "from", "days", "open", "basis", "confidence"), optional=("to", "holidays")
    )
    facts: tuple[WindowFact, ...] = get_args(WindowFact)
    return Hours(
        *_interval(value, given),
        fact=given["fact"].one_of(facts),
        days=frozenset(_DAYS.index(day.one_of(_DAYS)) for day in given["days"].items()),
        open=_spans(given["open"]),
        holidays=given["holidays"].matching(_COUNTRY, "a country as FR")
        if "holidays" in given
        else None,
        basis=_basis(given["basis"]),
        confidence=_confidence(given["confidence"]),
    )


def _spans(value: _Value) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for one in value.items():
        found = _SPAN.fullmatch(one.text())
        if not found:
            raise one.fault("hours as 10:00-13:00 are needed")
        first, upto = (60 * int(found[at]) + int(found[at + 1]) for at in (1, 3))
        if not first < upto <= _DAY_MINUTES:
            raise one.fault("hours that end after they begin, within a day, are needed")
        if spans and first < spans[-1][1]:
            raise one.fault("hours that overlap, or are not in order")
        spans.append((first, upto))
    return tuple(spans)


def _caller_ids(value: _Value) -> CallerIds:
    given = value.fields("from", "prefixes", "basis", "confidence", optional=("to",))
    return CallerIds(
        *_interval(value, given),
        prefixes=tuple(
            one.matching(_PREFIX, "the beginning of a number as +33162")
            for one in given["prefixes"].items()
        ),
        basis=_basis(given["basis"]),
        confidence=_confidence(given["confidence"]),
    )
