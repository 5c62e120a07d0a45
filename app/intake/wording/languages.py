"""The tables of the languages: the words alone, and the phrases that people say it in.

A phrase is written in words: `a|b` either, `(a)` or nothing, `appel*` whatever begins so, `_` up
to four words of any kind, `@name` one of a group that the file names.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from .folding import fold

_GAP = r"(?:\S+ ){0,4}"


@dataclass(frozen=True, slots=True)
class Language:
    """How one language says it; the patterns search words that are each followed by a space.

    ``stop``, ``start`` and ``doubtful`` (what may well mean stop) are the whole of a message,
    ``courtesy`` is what may stand beside.
    """

    code: str
    stop: frozenset[str]
    start: frozenset[str]
    doubtful: frozenset[str]
    courtesy: re.Pattern[str]
    says_stop: re.Pattern[str]
    says_start: re.Pattern[str]
    harmless: re.Pattern[str]
    long_words: frozenset[str]
    no_slip: frozenset[str]


@cache
def every_language() -> tuple[Language, ...]:
    """Read every language's file, once, in the order of their codes."""
    folder = files(__package__)
    found = sorted(one.name for one in folder.iterdir() if one.name.endswith(".toml"))
    return tuple(
        _language(name.removesuffix(".toml"), tomllib.loads((folder / name).read_text("utf-8")))
        for name in found
    )


def _language(code: str, table: Mapping[str, Any]) -> Language:
    groups = {name: _either(words.split()) for name, words in table["groups"].items()}
    alone, phrases = table["alone"], table["phrases"]
    stop = frozenset(map(_words, alone["stop"]))
    return Language(
        code,
        stop,
        frozenset(map(_words, alone["start"])),
        frozenset(map(_words, alone["doubtful"])),
        _any_of(alone["courtesy"], groups),
        _any_of(phrases["stop"], groups),
        _any_of(phrases["start"], groups),
        _any_of(phrases["harmless"], groups),
        frozenset(table["long_words"]),
        frozenset(table["no_slip"]),
    )


def _words(text: str) -> str:
    return " ".join(word for sentence in fold(text) for word in sentence)


def _any_of(phrases: Iterable[str], groups: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("(?<![^ ])(?:" + "|".join(_pattern(one, groups) for one in phrases) + ")")


def _pattern(phrase: str, groups: Mapping[str, str]) -> str:
    return "".join(_piece(word, groups) for word in phrase.split())


def _piece(word: str, groups: Mapping[str, str]) -> str:
    if word == "_":
        return _GAP
    if word.startswith("("):
        return f"(?:{_piece(word[1:-1], groups)})?"
    named = (groups[one[1:]] if one[0] == "@" else _either([one]) for one in word.split("|"))
    return f"(?:{'|'.join(named)}) "


def _either(words: Iterable[str]) -> str:
    escaped = (re.escape(word).replace(r"\*", r"\S*") for word in words)
    return f"(?:{'|'.join(escaped)})"
