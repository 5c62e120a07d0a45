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
    raws: list[str]
    faults: dict[int, Fault] = field(default_factory=dict)
    """By index in the batch; empty for nearly every batch."""

    def __len__(self) -> int:
        """Count its rows, faults and empty lines included."""
        return len(self.raws)

    def rows(self) -> Iterator[Row]:
        """Give its rows one by one."""
        fault = self.faults.get
        for index, (line, cells, raw) in enumerate(
            zip(self.lines, self.cells, self.raws, strict=True)
        ):
            yield Row(self.number + index, line, cells, raw, fault(index))
