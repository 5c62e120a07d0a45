"""The map: who tells the registry, and whom it tells; drawn for the page and to be saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.parties import Channel, Party

from .registered import WORDS, Row, Word

WIDTH = 1100
_ROW = 44
_MOST = 14
"""Ends of their own on one side; where there are more, those of one party stand together."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a line: a channel or a database, or those of one party together.

    ``word`` tells how a database stands, None of a channel; ``count`` is 0 where it stands alone.
    """

    name: str
    party: Party | None
    count: int
    word: Word | None
    y: float = 0


@dataclass(frozen=True, slots=True)
class Map:
    """Both sides of the registry, with the middle that the lines meet at."""

    channels: Sequence[End]
    databases: Sequence[End]
    middle: float
    height: int
    entries: int
    width = WIDTH


def draw(
    channels: Sequence[Channel], rows: Sequence[Row], parties: Mapping[str, Party], entries: int
) -> Map:
    """Place channels on the left and databases on the right, grouped where they are many."""
    told = [End(one.name, parties.get(one.party), 0, None) for one in channels]
    heard = [End(row.name, row.party, 0, row.word) for row in rows]
    left, right = (_grouped(side) if len(side) > _MOST else side for side in (told, heard))
    height = max(len(left), len(right), 2) * _ROW + 24
    return Map(_placed(left, height), _placed(right, height), height / 2, height, entries)


def _grouped(ends: Sequence[End]) -> list[End]:
    """Put the ends of a party together; they stand as the worst of them stands."""
    groups: dict[str, list[End]] = {}
    for one in ends:
        groups.setdefault(one.party.slug if one.party else "", []).append(one)
    return [
        End(
            of[0].party.name if of[0].party else of[0].name,
            of[0].party,
            len(of),
            min((one.word for one in of if one.word), key=WORDS.index, default=None),
        )
        for of in groups.values()
    ]


def _placed(ends: Sequence[End], height: float) -> list[End]:
    top = (height - (len(ends) - 1) * _ROW) / 2 - 6
    return [
        End(one.name, one.party, one.count, one.word, top + number * _ROW)
        for number, one in enumerate(ends)
    ]
