"""Records of delimited text: the ``csv`` module over blocks of whole lines, raw text kept.

The quick way serves blocks in which each line is one record. Where a record has several lines, or a
fault, the block is read record by record.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from .bad_file import BadFile
from .layout import Layout
from .limits import CELL_CHARACTERS, Limits
from .lines import Lines
from .rows import Batch, Fault, split_lines

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

_END = "\ue000end"
"""A line put behind the last one: a record that holds it was still open there."""

_LINE_ENDS = frozenset(("\n", "\r", "\r\n"))

_READ_ON = {Fault.CELL_TOO_LONG, Fault.ROW_TOO_LONG, Fault.QUOTE_NOT_CLOSED}
"""Faults after which reading goes on at the next line, wherever the record seemed to end."""


class _Record(NamedTuple):
    """A record among lines: from ``begin`` to before ``end``, with its cells or a fault."""

    begin: int
    end: int
    cells: list[str]
    fault: Fault | None


class DelimitedReader:
    """Reads the lines of one file, many at a time, as batches of rows."""

    def __init__(self, layout: Layout, limits: Limits, *, raws_only: bool = False) -> None:
        """Begin after the layout's head; ``raws_only`` as in ``read_batches``."""
        self._raws_only = raws_only
        self._layout = layout
        self._limits = limits
        self._open: list[str] = []
        self._number = 1
        head = split_lines(layout.head)
        # A sheet has no lines but its rows, however many a cell may hold.
        self._counts_records = layout.format == "xlsx"
        self._line = 1 + sum(1 for _ in (self._reader(head) if self._counts_records else head))
        self._rereadable = limits.reread_characters

    def read(self, texts: Iterable[Lines]) -> Iterator[Batch]:
        """Read it all.

        Raises:
            BadFile: too many quotes are never closed.
        """
        for lines in texts:
            if self._is_plain(lines):
                yield self._plain(lines)
                continue
            yield from self._block([*self._open, *split_lines(lines.text)], last=False)
        if self._open:
            yield from self._block(self._open, last=True)

    def _is_plain(self, lines: Lines) -> bool:
        """Tell whether each line is a row without quotes, none is empty and all end alike."""
        text, quote, newline = lines.text, self._layout.quote, lines.newline
        return (
            self._raws_only
            and not self._open
            and newline is not None
            and quote is not None
            and quote not in text
            and len(text) <= min(CELL_CHARACTERS, self._limits.row_characters)
            and not text.startswith(newline)
            and newline + newline not in text
        )

    def _plain(self, lines: Lines) -> Batch:
        at = range(self._line, self._line + lines.number)
        batch = Batch(self._number, at, [], None, text=lines.text)
        self._line += lines.number
        self._number += lines.number
        return batch

    def _block(self, lines: list[str], *, last: bool) -> Iterator[Batch]:
        if (batch := self._quick(lines)) is None:
            batch, read = self._slow(lines, last=last)
            self._open = lines[read:]
        else:
            self._open, read = [], len(lines)
        self._line += len(batch) if self._counts_records else read
        self._number += len(batch)
        if len(batch):
            yield batch

    def _reader(self, lines: Iterable[str], *, strict: bool = False) -> "CsvReader":
        delimiter, quote = self._layout.delimiter, self._layout.quote
        return csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=strict)

    def _quick(self, lines: list[str]) -> Batch | None:
        """Read lines that are a record each; None if they are not."""
        longest = max(map(len, lines))
        if longest > self._limits.row_characters:
            return None
        lines_at = range(self._line, self._line + len(lines))
        if self._raws_only and longest <= CELL_CHARACTERS and self._is_unquoted(lines):
            faults = {at: Fault.BLANK for at, line in enumerate(lines) if line in _LINE_ENDS}
            return Batch(self._number, lines_at, [], lines, faults)
        try:
            records = list(self._reader(chain(lines, (_END,))))
        except csv.Error:
            return None
        if len(records) != len(lines) + 1:
            return None
        records.pop()
        faults = {}
        if [] in records:
            faults = {at: Fault.BLANK for at, cells in enumerate(records) if not cells}
        return Batch(self._number, lines_at, records, lines, faults)

    def _is_unquoted(self, lines: list[str]) -> bool:
        """Tell whether no cell can hold a line end or a delimiter."""
        return self._layout.quote is not None and self._layout.quote not in "".join(lines)

    def _slow(self, lines: list[str], *, last: bool) -> tuple[Batch, int]:
        """Read record by record; tell also how many lines were read."""
        records = list(self._records(lines, last=last))
        begins = range(len(records)) if self._counts_records else [one.begin for one in records]
        batch = Batch(
            self._number,
            [self._line + begin for begin in begins],
            [record.cells for record in records],
            ["".join(lines[record.begin : record.end]) for record in records],
            {at: record.fault for at, record in enumerate(records) if record.fault},
        )
        return batch, records[-1].end if records else 0

    def _records(self, lines: list[str], *, last: bool) -> Iterator[_Record]:
        """Cut lines into records, up to one that is still open unless there is no more text."""
        begin = 0
        while begin < len(lines):
            for record in self._up_to_fault(lines, begin):
                if record.end > len(lines) and not last and self._may_close(lines[begin:]):
                    return
                if record.fault in _READ_ON:
                    self._spend(lines, begin, record.end)
                    begin += 1
                else:
                    begin = record.end
                yield record._replace(end=begin)

    def _up_to_fault(self, lines: list[str], begin: int) -> Iterator[_Record]:
        """Read records; the last may be faulty, or open: it seems to end behind the last line."""
        reader = self._reader(chain(lines[begin:], (_END,)))
        offset = begin
        fault = None
        while begin < len(lines) and fault not in _READ_ON:
            if len(lines[begin]) > self._limits.row_characters:
                yield _Record(begin, begin + 1, [], Fault.ROW_TOO_LONG)
                return
            cells, fault = _next(reader)
            end = offset + reader.line_num
            if end > begin + 1 and (fault or not self._is_one_record(lines[begin:end])):
                cells, fault = [], Fault.QUOTE_NOT_CLOSED
            yield _Record(begin, end, cells, fault)
            begin = end

    def _may_close(self, lines: list[str]) -> bool:
        return _length(lines) <= self._limits.row_characters

    def _is_one_record(self, lines: list[str]) -> bool:
        """Tell whether several lines are well quoted; if not, a quote in the first stands alone."""
        try:
            list(self._reader(lines, strict=True))
        except csv.Error:
            return False
        return True

    def _spend(self, lines: list[str], begin: int, end: int) -> None:
        """Count what has to be read again, so that a file of open quotes takes no time."""
        self._rereadable -= _length(lines[begin:end])
        if self._rereadable < 0:
            raise BadFile(
                "quotes-not-closed", "too many quotes are never closed", line=self._line + begin
            )


def _next(reader: "CsvReader") -> tuple[list[str], Fault | None]:
    try:
        cells = next(reader)
    except csv.Error:
        return [], Fault.CELL_TOO_LONG
    return cells, None if cells else Fault.BLANK


def _length(lines: list[str]) -> int:
    return sum(map(len, lines))
