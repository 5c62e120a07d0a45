"""The words of the pages in French and English: the same keys in both languages.

Those of ``fr.toml`` and ``en.toml`` are everybody's, those of ``fr-officer.toml`` the officer's, a
page with many has a file of its own.

What the rooms below say in English is said in French by ``sentences.toml``, a part of it at a
time; the meanings of settings and the names that the registry gives by itself by ``wholes.toml``.

A count picks between ``key_one`` and ``key_many``: in French zero is singular, in English not.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from app.platform.clock import now
from app.settings import Settings

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_AT_MOST = 200
_SPANS = ((99.5, 1, "time.s"), (5_970, 60, "time.min"), (172_800, 3_600, "time.h"))
"""Below how many seconds a unit is used, how many it has, and its word."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, by their keys (``desk.title``); times are those of a zone."""

    language: Language
    texts: Mapping[str, str]
    zone: ZoneInfo

    def __call__(self, key: str, **values: object) -> str:
        """Say something; ``n`` picks singular or plural, the others fill what is in braces.

        Whole numbers are written as ``number`` does, names as ``named``.

        Raises:
            KeyError: the file of this language lacks the key.
        """
        if "n" in values and key not in self.texts:
            one = {0, 1} if self.language == "fr" else {1}
            key = f"{key}_one" if values["n"] in one else f"{key}_many"
        return self.texts[key].format(
            **{
                name: self.number(said) if type(said) is int else named(self.language, said)
                for name, said in values.items()
            }
        )

    def sentence(self, english: str) -> str:
        """Say in this language what a room below says in English; what is not known stays."""
        if self.language == "en":
            return english
        for pattern, said in _sentences():
            english = pattern.sub(said, english)
        return english

    def setting(self, english: str) -> str:
        """Say what a setting means, or how one stands; what is not known stays."""
        return english if self.language == "en" else _wholes()["settings"].get(english, english)

    def number(self, value: int) -> str:
        """Write a whole number with its groups of three: 48 213 in French, 48,213 in English."""
        return f"{value:,}" if self.language == "en" else f"{value:,}".replace(",", "\u202f")

    def seconds(self, value: float) -> str:
        """Write seconds to a tenth, with the language's decimal sign."""
        written = f"{value:.1f} s"
        return written if self.language == "en" else written.replace(".", ",")

    def milliseconds(self, value: float) -> str:
        """Write how long a request took, given in seconds."""
        return f"{self.number(round(value * 1000))} ms" if value < 1 else self.seconds(value)

    def tick(self, value: float) -> str:
        """Write a round number of seconds as a scale does."""
        if value >= 1:
            return self.span(value)
        return self.seconds(value) if value >= 0.1 else self.milliseconds(value)  # noqa: PLR2004 - the tenths it has

    def span(self, value: float) -> str:
        """Write how long something lasts, in the one unit that fits it."""
        for most, size, unit in _SPANS:
            if value < most:
                return self("time.span", value=self.number(round(value / size)), unit=self(unit))
        return self("time.days", days=self.number(round(value / 86_400)))

    def date(self, on: date) -> str:
        """Write a day."""
        day = "1er" if on.day == 1 and self.language == "fr" else on.day
        return f"{day} {self(f'month.m{on.month}')} {on.year}"

    def day_of(self, at: datetime) -> str:
        """Write the day of an instant."""
        return self.date(at.astimezone(self.zone).date())

    def clock(self, at: datetime) -> str:
        """Write the time of day, to the minute."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def local(self, at: datetime) -> str:
        """Write an instant by the clock of the place that it is given in."""
        return self("time.day", day=self.date(at.date()), time=f"{at:%H:%M}")

    def when(self, at: datetime) -> str:
        """Write an instant, to the second while it is fresh: of today, else with its day."""
        local, today = at.astimezone(self.zone), now().astimezone(self.zone).date()
        if local.date() == today:
            return self("time.today", time=f"{local:%H:%M:%S}")
        return self("time.day", day=self.date(local.date()), time=f"{local:%H:%M}")

    def exact(self, at: datetime) -> str:
        """Write an instant as a record does that is read on another day: to the second."""
        local = at.astimezone(self.zone)
        return self(
            "time.exact",
            day=self.date(local.date()),
            time=f"{local:%H:%M:%S}",
            zone=f"UTC{local.isoformat()[-6:]}",
        )

    def countries(self) -> list[tuple[str, str]]:
        """List the countries that this file names, by their codes, in the order of their names."""
        named = [(key, name) for key, name in self.texts.items() if key.startswith("country.")]
        return [
            (key.removeprefix("country."), name)
            for key, name in sorted(named, key=lambda one: one[1])
        ]

    def country(self, code: str) -> str:
        """Name a country, by its code where this file does not know it."""
        return self.texts.get(f"country.{code}", code)


@cache
def texts_of(language: Language) -> Mapping[str, str]:
    """Read the words of a language, once."""
    texts: dict[str, str] = {}
    for file in sorted(files(__package__).joinpath("words").iterdir(), key=lambda one: one.name):
        if file.name.startswith(language):
            texts |= dict(_flat(tomllib.loads(file.read_text("utf-8"))))
    if language == "fr":
        return {key: _typeset(text) for key, text in texts.items()}
    return texts


@cache
def _sentences() -> list[tuple[re.Pattern[str], str]]:
    """Read the sentences of the rooms below, the longest first, for one may stand in another."""
    known = tomllib.loads(files(__package__).joinpath("words/sentences.toml").read_text("utf-8"))
    return [
        (
            re.compile(re.escape(english).replace(r"\{\}", r"([\w,]+)")),
            _typeset(said).replace("{}", r"\1"),
        )
        for english, said in sorted(known.items(), key=lambda one: -len(one[0]))
    ]


def named(language: Language, name: object) -> object:
    """Say a name that the registry gave by itself; what somebody else named stays."""
    if language == "en" or not isinstance(name, str):
        return name
    return _wholes()["names"].get(name, name)


@cache
def _wholes() -> Mapping[str, Mapping[str, str]]:
    """Read what is said whole, by where it stands."""
    known = tomllib.loads(files(__package__).joinpath("words/wholes.toml").read_text("utf-8"))
    return {
        table: {english: _typeset(said) for english, said in pairs.items()}
        for table, pairs in known.items()
    }


def _typeset(text: str) -> str:
    """Set French as it is printed: no line begins with a mark that has a space before it."""
    text = re.sub(r" ([;?!»])", "\u202f\\1", text.replace("« ", "«\u202f"))
    return text.replace(" :", "\u00a0:").replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def words_of(language: str, settings: Settings) -> Words:
    """Take the words of a language."""
    known: Language = "fr" if language == "fr" else "en"
    return Words(known, texts_of(known), settings.time_zone)


def choose_language(asked: str | None, accepted: str) -> Language:
    """Choose by what was chosen before, else by the header Accept-Language (RFC 9110, 12.5.4)."""
    if asked in LANGUAGES:
        return asked
    weighed = []
    for place, part in enumerate(accepted[:_AT_MOST].split(",")):
        tag, _, quality = part.partition(";q=")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and weight(quality) > 0:
            weighed.append((-weight(quality), place, language))
    return min(weighed)[2] if weighed else "en"


def weight(quality: str) -> float:
    """Read how much something is wanted, as headers say it; nothing is wholly."""
    try:
        return float(quality or 1)
    except ValueError:
        return 0


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        else:
            yield from _flat(value, f"{prefix}{key}.")
