"""Rows as they are read: one by one, or thousands at a time."""

import io
from collections.abc import Iterator, Mapping, Sequence
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


def split_lines(text: str) -> list[str]:
    """Split at CR, LF and CRLF, and at nothing else that Unicode calls a line end."""
    return io.StringIO(text, newline="").readlines()


class Batch:
    """Some rows in order, column-wise, for whoever has millions of them.

    ``number`` is that of the first row; ``cells`` are those of each row, empty where they were left
    out: then no row has a quote in it. ``faults`` are by index in the batch, and there are none in
    nearly every batch. ``text`` is set where each of its lines is a row without a quote, none is
    empty and all end alike: many such rows are best looked at as one text.
    """

    __slots__ = ("_raws", "cells", "faults", "lines", "number", "text")

    def __init__(
        self,
        number: int,
        lines: Sequence[int],
        cells: list[list[str]],
        raws: list[str] | None,
        faults: Mapping[int, Fault] | None = None,
        *,
        text: str | None = None,
    ) -> None:
        """Take the rows as they were read; without ``raws`` they are the lines of ``text``."""
        self.number = number
        self.lines = lines
        self.cells = cells
        self.faults = faults or {}
        self.text = text
        self._raws = raws

    @property
    def raws(self) -> list[str]:
        """Give the text of each row, line end included."""
        if self._raws is None:
            self._raws = split_lines(self.text or "")
        return self._raws

    def __len__(self) -> int:
        """Count its rows, faults and empty lines included."""
        return len(self.lines)

    def column(self, at: int, delimiter: str) -> list[str]:
        """Give one cell of each row, by its index from 0; empty where a row has none."""
        if self.cells or not self.lines:
            try:
                return [row[at] for row in self.cells]
            except IndexError:
                return [row[at] if at < len(row) else "" for row in self.cells]
        if self.text is not None:
            return column_of(self.text, at, delimiter)
        return [_cell(raw.split(delimiter, at + 1), at) for raw in self.raws]

    def rows(self) -> Iterator[Row]:
        """Give its rows one by one."""
        fault = self.faults.get
        for index, (line, cells, raw) in enumerate(
            zip(self.lines, self.cells, self.raws, strict=True)
        ):
            yield Row(self.number + index, line, cells, raw, fault(index))


def column_of(text: str, at: int, delimiter: str) -> list[str]:
    """Give one cell of each line of a ``Batch.text``, by its index from 0."""
    newline = newline_of(text)
    lines = text.removesuffix(newline).split(newline)
    try:
        return [line.split(delimiter, at + 1)[at] for line in lines]
    except IndexError:
        return [_cell(line.split(delimiter, at + 1), at) for line in lines]


def newline_of(text: str) -> str:
    """Tell how each line of a ``Batch.text`` ends."""
    return "\r\n" if text.endswith("\r\n") else "\n"


def _cell(cells: list[str], at: int) -> str:
    return cells[at].rstrip("\r\n") if at < len(cells) else ""
