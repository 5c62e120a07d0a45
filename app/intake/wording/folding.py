"""One spelling for what was written in many: case, accents, width, look-alikes, stretched letters.

Look-alikes are a bounded table of ours (`look_alikes.tsv`), not the whole of Unicode's (UTS 39):
the Cyrillic and Greek letters that a Latin word is disguised with, and the apostrophes.
"""

import re
from importlib.resources import files
from unicodedata import category, normalize

_ALIKE = str.maketrans(
    dict(
        line.split("\t")
        for line in (files(__package__) / "look_alikes.tsv").read_text("utf-8").splitlines()
    )
)
_ELIDED = re.compile(r"\b([^\W\d_]|qu|jusqu|lorsqu|puisqu)'", re.ASCII)
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_SENTENCE = re.compile(r"[.!?;:\n]+(?=\s|$)")
_READ_TWICE = re.compile("([\u00c2\u00c3])(.)")
_NOT_A_WORD = re.compile(r"[^\w]+|_+")


def fold(text: str) -> list[list[str]]:
    """Write a text as sentences of plain words: no case, accent, punctuation or disguise.

    `don't` becomes `dont`, `m'appeler` two words; a letter written three times or more, one.
    """
    plain = _STRETCHED.sub(r"\1", _plain(text))
    plain = _ELIDED.sub(r"\1 ", plain).replace("'", "")
    sentences = (_NOT_A_WORD.sub(" ", one).split() for one in _SENTENCE.split(plain))
    return [words for words in sentences if words]


def _plain(text: str) -> str:
    """Strip width, case, accents and invisible characters."""
    decomposed = normalize("NFD", normalize("NFKC", text).casefold())
    kept = (one for one in decomposed if category(one) not in {"Mn", "Cf", "Me"})
    return "".join(kept).translate(_ALIKE)


def repaired(text: str) -> str:
    """Undo that UTF-8 was read as Windows-1252 on the way, which gateways do: `DÃ©sinscription`."""
    return _READ_TWICE.sub(_pair, text)


def _pair(found: re.Match[str]) -> str:
    second = found[2].encode("cp1252", "ignore") or found[2].encode("latin-1", "ignore")
    try:
        return (found[1].encode("latin-1") + second).decode()
    except UnicodeError:
        return found[0]
