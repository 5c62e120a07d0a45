"""A program: a workbook on standard input, its first sheet with data as CSV on standard output.

It is run by path, in a process of its own, because the reader holds a sheet whole, cells that a
workbook only says it has included: what that takes is bounded by the kernel here, and no process
that serves anybody ends with it. Arguments: bytes of memory, seconds of processor time.
"""

import csv
import io
import resource
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from python_calamine import CalamineWorkbook, SheetVisibleEnum

TOO_LARGE = 3

_EXACT = 1e15
"""Below it a whole number in a cell, which is a float there, has all its digits."""


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else repr(cell)
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


def _rows(workbook: CalamineWorkbook) -> Iterable[Sequence[object]]:
    """Give the rows of the first visible sheet with data, those above the data included."""
    for place, sheet in enumerate(workbook.sheets_metadata):
        if sheet.visible == SheetVisibleEnum.Visible:
            found = workbook.get_sheet_by_index(place)
            if found.height:
                return found.iter_rows()
    return ()


def main() -> None:
    """Read, and write; a status other than 0 says that the workbook cannot be read."""
    memory, seconds = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _write()
    except MemoryError:
        sys.exit(TOO_LARGE)


def _write() -> None:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
    output = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "surrogatepass", newline="")
    writer = csv.writer(output)
    for row in _rows(workbook):
        cells = list(map(_text, row))
        writer.writerow(cells if any(cells) else ())
    output.flush()


if __name__ == "__main__":
    main()
