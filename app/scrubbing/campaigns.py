"""The file of a campaign: which column is asked about, and its rows with the answers appended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.files import (
    BadMapping,
    Batch,
    Fault,
    Field,
    JobFailed,
    Layout,
    clean,
    guess_columns,
    map_columns,
    read_batches,
    read_start,
)
from app.journal import Kind, Media

from .answers import (
    ALLOW,
    BLOCK,
    DEFER,
    DUPLICATE,
    REVIEW,
    UNUSABLE,
    Block,
)
from .digesting import Cells, Column

ROWS = 65_536
"""Rows that are decided together, at least; a batch of a file's reader may have more."""
CHARACTERS = 2_097_152
"""Of the rows that are decided together, from which on there are enough."""
GROUPING = 4
"""Counts the ways in which rows were ever grouped, and answers kept by the group."""
_KINDS = {
    Field.PHONE: Kind.PHONE,
    Field.EMAIL: Kind.EMAIL,
    Field.SIREN: Kind.SIREN,
    Field.CUSTOMER: Kind.CUSTOMER,
}


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a campaign's file looks like, and where its contact points stand.

    ``columns`` are indexes from 0: one, or an American area code and the number behind it.
    """

    layout: Layout
    kind: Kind
    columns: tuple[int, ...]

    def column(self, batches: Sequence[Batch]) -> Column | None:
        """Give the contact points of plain rows, which takes no time; None where they are none."""
        if len(self.columns) > 1 or (text := text_of(batches)) is None:
            return None
        return Column(text, sum(map(len, batches)), self.columns[0], self.layout.delimiter)

    def cells(self, batches: Sequence[Batch]) -> Cells:
        """List the contact points of some rows, empty where there is none."""
        delimiter = self.layout.delimiter
        if len(self.columns) > 1:
            code, local = (
                [cell for batch in batches for cell in batch.column(at, delimiter)]
                for at in self.columns
            )
            return [
                clean(before) + clean(cell) if cell else ""
                for before, cell in zip(code, local, strict=True)
            ]
        (at,) = self.columns
        return [cell for batch in batches for cell in batch.column(at, delimiter)]


def read_campaign(source: BinaryIO, *, medium: Media, column: str | None) -> Campaign:
    """Find out what a file looks like and which of its columns to ask about.

    ``column`` is a name or a number from 1; without one, the contact points are looked for.

    Raises:
        BadFile: it cannot be read as a table.
        JobFailed: the column is not there, or not clear.
    """
    layout, samples = read_start(source)
    found = {
        field: places
        for field, places in guess_columns(layout.header, samples).items()
        if field is Field.AREA_CODE or (field in _KINDS and medium in _KINDS[field].carries)
    }
    if column is not None:
        return _named(layout, samples, column, found, medium)
    for field, kind in _KINDS.items():
        places = found.get(field, ())
        if len(places) > 1:
            raise JobFailed(
                "column-unclear", "There are several columns to ask about; say which by 'column'."
            )
        if places:
            code = found.get(Field.AREA_CODE, ()) if field is Field.PHONE else ()
            return Campaign(layout, kind, (*code, *places))
    raise JobFailed("column-unclear", "No column is clearly the one to ask about; say 'column'.")


def _named(
    layout: Layout,
    samples: Sequence[Sequence[str]],
    column: str,
    found: dict[Field, tuple[int, ...]],
    medium: Media,
) -> Campaign:
    width = max(map(len, samples), default=0)
    try:
        (at,) = map_columns(layout.header, width, {column: Field.PHONE})[Field.PHONE]
    except BadMapping:
        raise JobFailed(
            "no-such-column", "The file has no column of that name or number, or has it twice."
        ) from None
    guessed = (kind for field, kind in _KINDS.items() if at in found.get(field, ()))
    fitting = (kind for kind in _KINDS.values() if medium in kind.carries)
    return Campaign(layout, next(guessed, next(fitting)), (at,))


def read_groups(source: BinaryIO, layout: Layout) -> Iterator[list[Batch]]:
    """Read the rows, some ten thousand at a time; the same file gives the same groups.

    Rows that are long come in smaller groups: several of these are in memory at once.

    Raises:
        BadFile: the rest of the file cannot be read.
    """
    group: list[Batch] = []
    rows = characters = 0
    for batch in read_batches(source, layout, raws_only=True):
        group.append(batch)
        rows += len(batch)
        characters += sum(map(len, batch.raws)) if batch.text is None else len(batch.text)
        if rows >= ROWS or characters >= CHARACTERS:
            yield _joined(group)
            group, rows, characters = [], 0, 0
    if group:
        yield _joined(group)


def _joined(group: list[Batch]) -> list[Batch]:
    """Make one batch of plain ones: many small texts leave holes in memory where they were."""
    text = text_of(group)
    if text is None:
        return group
    lines = range(group[0].lines[0], group[-1].lines[-1] + 1)
    return [Batch(group[0].number, lines, [], None, text=text)]


def text_of(batches: Sequence[Batch]) -> str | None:
    """Give the text of a group of which each line is a plain row, as of ``Batch.text``."""
    texts = [batch.text for batch in batches if batch.text is not None]
    # Joined, a text alone is itself.
    return "".join(texts) if len(texts) == len(batches) else None


def blank_rows(batches: Sequence[Batch]) -> list[int]:
    """Tell which rows of a group are empty lines, by index."""
    blank, first = [], 0
    for batch in batches:
        blank += [first + at for at, fault in batch.faults.items() if fault is Fault.BLANK]
        first += len(batch)
    return blank


def media_type_of(layout: Layout) -> str:
    """Tell the type of the result as HTTP names it."""
    if layout.format == "ndjson":
        return "application/x-ndjson"
    charset = {"cp1252": "windows-1252"}.get(layout.encoding, layout.encoding)
    return f"text/csv; charset={charset}"


def wanted_rows(
    block: Block, *, before: Block | None, only_allowed: bool
) -> NDArray[np.intp] | None:
    """Choose the rows to write: all (None), the allowed ones, or those decided otherwise before."""
    if before is not None:
        return np.flatnonzero(block.told() != before.told())
    return np.flatnonzero(block.told() == ALLOW) if only_allowed else None


_COUNTED = {"allow": ALLOW, "block": BLOCK, "unusable": UNUSABLE, "defer": DEFER, "review": REVIEW}
COUNTS = ("allow", "block", "unusable", "duplicate")
COUNTS_BY_LAW = (*COUNTS, "defer", "review")


def count_rows(block: Block, before: Block | None) -> dict[str, int]:
    """Count rows by what they are told, and beside that those that are there twice.

    Of a refresh only those are counted that were decided otherwise before; the others are
    ``unchanged``.
    """
    codes, told = block.codes, block.told()
    changed = wanted_rows(block, before=before, only_allowed=False)
    if changed is not None:
        codes, told = codes[changed], told[changed]
    names = COUNTS if block.judged is None else COUNTS_BY_LAW
    counted = {
        name: int(np.count_nonzero(told == _COUNTED[name])) for name in names if name in _COUNTED
    }
    twice = np.isin(codes, (ALLOW | DUPLICATE, BLOCK | DUPLICATE))
    return {**counted, "duplicate": int(np.count_nonzero(twice))}
