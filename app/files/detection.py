"""Finding out what a text looks like from its beginning: delimiter, header, line end."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .bad_file import BadFile
from .columns import is_header
from .layout import Format
from .limits import Limits
from .rows import split_lines

_ROWS = 200
"""Rows that are looked at."""

_DELIMITERS = ",;\t|"
_EXCEL = re.compile(r"(?:[\r\n]*)\"?sep=([,;|:^~#/*&!\t])\"?(?:\r\n|\r|\n)", re.IGNORECASE)
"""A first line by which a file tells a spreadsheet its delimiter; none that numbers hold."""
_ARRAY = re.compile(r"\[\s*[{\[\]\"0-9-]")
_BLANK = re.compile(r"[\r\n]*")
_SCIENTIFIC = re.compile(r"\"?[0-9],[0-9]+E\+?[0-9]+\"?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """What detection finds: the parts of a layout that are not about bytes."""

    format: Format
    delimiter: str
    quote: str | None
    newline: str
    header: tuple[str, ...] | None
    head: str


def find_table(text: str, limits: Limits, *, delimiter: str | None = None) -> Table:
    """Find out how a text is laid out; ``text`` is its beginning, cut anywhere.

    Raises:
        BadFile: it is empty or no table.
    """
    begin = _BLANK.match(text)
    start = text[begin.end() if begin else 0 :]
    if not start.strip():
        raise BadFile("empty", "there is nothing in the file")
    newline = _newline(start)
    if delimiter is None:
        if start.startswith("{") and (names := _members(start, limits)) is not None:
            return Table("ndjson", ",", None, newline, names, "")
        if _ARRAY.match(start):
            raise BadFile("json-array", "a JSON array is not read; one object a line (NDJSON) is")
    told = _EXCEL.match(text)
    head = told[0] if told else text[: len(text) - len(start)]
    lines = split_lines(text[len(head) :])
    if not lines:
        raise BadFile("empty", "there is nothing in the file")
    sign = delimiter or (told[1] if told else _delimiter(lines))
    if sign is None:
        return _lines_of_text(lines, newline, head)
    return _delimited(lines, newline, head, sign, limits)


def _newline(text: str) -> str:
    found = re.search(r"\r\n|\r|\n", text)
    return found[0] if found else "\n"


def _members(text: str, limits: Limits) -> tuple[str, ...] | None:
    """List the names in the first objects, in order; None if the first is no object."""
    names: dict[str, None] = {}
    for number, line in enumerate(split_lines(text)):
        document = read_object(line, lenient=True)
        if document is None and number == 0:
            return None
        names |= dict.fromkeys(document or {})
    _require_columns(names, limits)
    return tuple(names)


def read_object(line: str, *, lenient: bool = False) -> dict[str, str] | None:
    """Read a line of NDJSON as texts by name; None if it is no JSON object.

    A member of an object in it is named ``outer.inner``; a list is told as JSON. Where one stands
    twice the line is none either, unless ``lenient``: of two numbers one would go unheard.
    """
    try:
        document = json.loads(line, object_pairs_hook=dict if lenient else _once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    flat: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": _told(each) for inner, each in value.items()}
        else:
            flat[name] = _told(value)
    return flat


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member stands twice")
    return members


def _told(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)


def _delimiter(lines: Sequence[str]) -> str | None:
    """Find the sign that parts most rows into the same number of cells; None if none parts them."""
    if all(_SCIENTIFIC.fullmatch(line.strip()) for line in lines[1:_ROWS]) and len(lines) > 1:
        lines = [line.replace(",", ".") for line in lines[:_ROWS]]
    ranked = [(*_consistency(lines, sign), sign) for sign in _DELIMITERS]
    share, columns, best = max(ranked, key=lambda rank: rank[:2])
    if share and columns > 1:
        return best
    return "," if any('"' in line for line in lines[:_ROWS]) else None


def _consistency(lines: Sequence[str], sign: str) -> tuple[float, int]:
    """Tell what share of rows has the number of cells that most have, and that number."""
    rows = _rows(lines, sign)
    if not rows or len(rows[0]) == 1:
        return 0, 0
    columns, count = Counter(map(len, rows)).most_common(1)[0]
    return (count / len(rows), columns) if columns > 1 else (0, 0)


def _rows(lines: Sequence[str], sign: str) -> list[list[str]]:
    """Read the first rows; a quote that the first one never closes does not take in the others."""
    first, count = _first_record(lines, sign)
    found = [first]
    reader = csv.reader(lines[count:], delimiter=sign)
    while len(found) < _ROWS:
        try:
            found.append(next(reader))
        except csv.Error:
            continue
        except StopIteration:
            break
    return [row for row in found if row]


def _lines_of_text(lines: Sequence[str], newline: str, head: str) -> Table:
    first = lines[0].rstrip("\r\n")
    if not is_header([first]):
        return Table("lines", ",", None, newline, None, head)
    return Table("lines", ",", None, newline, (first,), head + lines[0])


def _delimited(lines: Sequence[str], newline: str, head: str, sign: str, limits: Limits) -> Table:
    names, count = _first_record(lines, sign)
    if not is_header(names):
        return Table("csv", sign, '"', newline, None, head)
    _require_columns(names, limits)
    return Table("csv", sign, '"', newline, tuple(names), head + "".join(lines[:count]))


def _first_record(lines: Sequence[str], sign: str) -> tuple[list[str], int]:
    """Read the first record, and tell how many lines it has: one, unless it is well quoted."""
    reader = csv.reader(lines, delimiter=sign, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return [cell.strip(' "\r\n') for cell in lines[0].split(sign)], 1


def _require_columns(names: Iterable[str], limits: Limits) -> None:
    if len(tuple(names)) > limits.columns:
        raise BadFile("too-many-columns", f"there are more than {limits.columns:,} columns")
