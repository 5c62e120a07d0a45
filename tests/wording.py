"""The labelled phrases, and how well they are read: `python -m tests.wording` prints the table.

A third of them, chosen by their checksum, was held out while the tables of the languages were
tuned on the others. Every phrase is ours.
"""

import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from app.intake.wording import Says, read_wording

FOLDER = Path(__file__).parent / "phrases"
OBJECTIONS = {"stop", "other"}
HEARD = {Says.STOP, Says.STOP_IN_OTHER_WORDS}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase with what it says: ``stop`` (the word alone), ``other``, ``start`` or ``none``."""

    language: str
    says: str
    text: str

    @property
    def held_out(self) -> bool:
        """Tell whether nobody tuned on it."""
        return zlib.crc32(self.text.encode()) % 3 == 0


@dataclass(frozen=True, slots=True)
class Score:
    """How objections were heard among so many phrases."""

    phrases: int
    heard: int
    missed: int
    false: int

    @property
    def recall(self) -> float:
        """Of the objections, the part that was heard."""
        return self.heard / (self.heard + self.missed)

    @property
    def precision(self) -> float:
        """Of what was heard as an objection, the part that was one."""
        return self.heard / (self.heard + self.false)


def phrases() -> list[Phrase]:
    """Read every labelled phrase."""
    return [
        Phrase(file.stem, *line.split("\t", 1))
        for file in sorted(FOLDER.glob("*.tsv"))
        for line in file.read_text("utf-8").splitlines()
    ]


def score(language: str, *, held_out: bool) -> Score:
    """Read one part of the phrases."""
    chosen = [one for one in phrases() if (one.language, one.held_out) == (language, held_out)]
    counts = Counter(
        (one.says in OBJECTIONS, read_wording(one.text).says in HEARD) for one in chosen
    )
    return Score(len(chosen), counts[True, True], counts[True, False], counts[False, True])


def table() -> str:
    """Write precision and recall per language, tuned on and held out."""
    lines = ["language  part      phrases  recall  precision  missed  false"]
    for language in sorted({one.language for one in phrases()}):
        for held_out in (False, True):
            one = score(language, held_out=held_out)
            part = "held out" if held_out else "tuned"
            lines.append(
                f"{language:<9} {part:<9} {one.phrases:>7}  {one.recall:>6.3f}"
                f"  {one.precision:>9.3f}  {one.missed:>6}  {one.false:>5}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201 - printing is what it is asked for
