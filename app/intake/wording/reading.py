"""Reading one message: the word alone first, then the phrases, then what is nearly the word."""

from dataclasses import dataclass
from enum import Enum
from unicodedata import normalize

from .folding import fold, repaired
from .languages import Language, every_language

LONGEST = 20_000
"""Characters that are read; of a longer text the reading says that it is not of the whole."""

_FEW = 2
_SHORTEST_MISSPELT = 4
_DIGITS = str.maketrans("01345", "oieas")


class Says(Enum):
    """What a text says.

    ``STOP``: the word that was asked for, nothing else; ``STOP_IN_OTHER_WORDS``: the same, as far
    as can be told, and a person has to look; ``START``: wants to hear again.
    """

    STOP = "stop"
    STOP_IN_OTHER_WORDS = "stop_in_other_words"
    START = "start"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, in which language's words; ``whole`` is false where it was too long."""

    says: Says
    language: str | None = None
    whole: bool = True


def read_wording(text: str) -> Reading:
    """Read what a person wrote. Of two languages the one that hears an objection decides."""
    languages = every_language()
    # Some characters are written as eighteen when they are spelt out.
    spelt = normalize("NFKC", repaired(text[: LONGEST + 1]))
    whole = len(spelt) <= LONGEST
    sentences = fold(spelt[:LONGEST])
    words = [word for sentence in sentences for word in sentence]
    lines = [_without_harmless(languages, sentence) for sentence in sentences]
    read = {_read(language, words, lines): language.code for language in reversed(languages)}
    for says in (Says.STOP, Says.STOP_IN_OTHER_WORDS, Says.START):
        if says in read:
            return Reading(says, read[says], whole)
    return Reading(Says.NOTHING, whole=whole)


def _without_harmless(languages: tuple[Language, ...], words: list[str]) -> str:
    line = " ".join(words) + " "
    for language in languages:
        line = language.harmless.sub("", line)
    return line


def _read(language: Language, words: list[str], lines: list[str]) -> Says:
    alone = _alone(language, words)
    if alone in language.stop:
        return Says.STOP
    if alone in language.start:
        return Says.START
    in_other_words = any(map(language.says_stop.search, lines))
    if in_other_words or alone in language.doubtful or _misspelt(language, alone, lines):
        return Says.STOP_IN_OTHER_WORDS
    if any(map(language.says_start.search, lines)):
        return Says.START
    return Says.NOTHING


def _alone(language: Language, words: list[str]) -> str:
    """Strip what is polite, and the number that a message is sent to; join letters spelt out."""
    kept = language.courtesy.sub("", " ".join(words) + " ").split()
    if kept and all(len(word) == 1 for word in kept):
        return "".join(kept)
    return " ".join(kept[:1] + [word for word in kept[1:] if not word.isdecimal()])


def _misspelt(language: Language, alone: str, lines: list[str]) -> bool:
    """Tell whether a short message is one slip away from a word, or any word from a long one."""
    near = alone.translate(_DIGITS)
    short = alone.count(" ") < _FEW and alone not in language.no_slip
    return any(
        short and len(stop) >= _SHORTEST_MISSPELT and (near == stop or _one_slip(near, stop))
        for stop in language.stop
    ) or any(
        _one_slip(word, long)
        for word in {word for line in lines for word in line.split()}
        for long in language.long_words
    )


def _one_slip(word: str, right: str) -> bool:
    """Tell whether one letter is wrong, missing, too many or swapped; never the first."""
    if abs(len(word) - len(right)) > 1 or word[:1] != right[:1]:
        return False
    start = 0
    while start < min(len(word), len(right)) and word[start] == right[start]:
        start += 1
    left, wanted = word[start:], right[start:]
    swapped = left[1::-1] == wanted[:2] and left[2:] == wanted[2:]
    return left[1:] == wanted[1:] or left[1:] == wanted or left == wanted[1:] or swapped
