"""Rows as they are read: one by one, or thousands at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """Why a row has no cells; its raw text is there all the same."""

    BLANK = "blank"
    """An empty line: not a row for anybody, and yet it stands in the file."""
    CELL_TOO_LONG = "cell_too_long"
    ROW_TOO_LONG = "row_too_long"
    QUOTE_NOT_CLOSED = "quote_not_closed"
    """The reader went on at the next line."""
    NOT_JSON = "not_json"


class Row(NamedTuple):
    """One record of a file."""

    number: int
    """From 1, the header not counted, empty lines counted."""
    line: int
    """The physical line where it begins, from 1."""
    cells: list[str]
    raw: str
    """The text it was read from, line end included; ``Layout.encode`` gives its very bytes."""
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows in order, column-wise, for whoever has millions of them."""

    number: int
    """Number of the first row."""
    lines: Sequence[int]
    cells: list[list[str]]
    """Of each row; empty where they were left out: then no row has a quote in it."""
    raws: list[str]
    faults: dict[int, Fault] = field(default_factory=dict)
    """By index in the batch; empty for nearly every batch."""

    def __len__(self) -> int:
        """Count its rows, faults and empty lines included."""
        return len(self.raws)

    def column(self, at: int, delimiter: str) -> list[str]:
        """Give one cell of each row, by its index from 0; empty where a row has none."""
        if self.cells or not self.raws:
            try:
                return [row[at] for row in self.cells]
            except IndexError:
                return [row[at] if at < len(row) else "" for row in self.cells]
        split = [raw.split(delimiter, at + 1) for raw in self.raws]
        if min(map(len, split)) > at + 1:
            return [cells[at] for cells in split]
        return [cells[at].rstrip("\r\n") if at < len(cells) else "" for cells in split]

    def rows(self) -> Iterator[Row]:
        """Give its rows one by one."""
        fault = self.faults.get
        for index, (line, cells, raw) in enumerate(
            zip(self.lines, self.cells, self.raws, strict=True)
        ):
            yield Row(self.number + index, line, cells, raw, fault(index))
