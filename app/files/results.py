"""A file's own rows with columns appended, in its own dialect, safe to open in a spreadsheet.

A cell that begins like a formula gets a leading apostrophe (OWASP, "CSV Injection"); every other
cell stays as it is to the byte. Objects of NDJSON get members; nothing opens them as formulas.
"""

import json
import re
from collections.abc import Iterable, Sequence

from .layout import Layout

_NUMBER = r"[0-9(][0-9 .,()\-/\u00a0\u202f]*(?:[eE][+\-]?[0-9]+)?"
"""What may stand behind a plus or a minus: the rest of a number, or of a phone number."""

_ENDS = "\r\n"
_FORMULA = re.compile(rf"[=@\t\r]|[+\-](?!{_NUMBER}\Z)")


def guard(cell: str) -> str:
    """Write a cell for a file that people open: an apostrophe before what is like a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


class Result:
    """Writes the rows of one file with more columns behind them."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        """Take what the file looks like, and what its new columns are called."""
        self._layout = layout
        self._names = tuple(names)
        # Each is found faster than any pattern is.
        self._signs = ("=", "@", "\t", "+", "-", f"{layout.quote}\r")
        part = re.escape(layout.delimiter)
        quote = re.escape(layout.quote or "\0")
        # In a cell without quotes the delimiter begins nothing, and a CR is the end of the line.
        end = rf"(?:[{part}\r\n]|\Z)"
        bare = rf"(?:(?<=[=@\t])(?<!{part})|(?<=[+\-])(?!{_NUMBER}{end}))"
        quoted = rf"(?:(?<=[=@\t\r])|(?<=[+\-])(?!{_NUMBER}{quote}{end}))"
        self._bare = re.compile(rf"[=@\t+\-]{bare}")
        self._quoted = re.compile(rf"[=@\t\r+\-]{quoted}")
        # It begins with the signs, for which alone text is looked through quickly.
        self._suspect = re.compile(rf"[=@\t+\-](?:(?<=[{part}\r\n].){bare}|(?<={quote}.){quoted})")
        self._suspect_cr = re.compile(rf"{quote}(?<=[{part}\r\n].)\r")
        inside = rf"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}?)?"
        is_one_cell = layout.format == "lines"
        self._cell = re.compile(r"(?s:.*)" if is_one_cell else rf"{inside}[^{part}]*")

    @property
    def head(self) -> str:
        """The head of the result: the file's own with the new names, where it has a header."""
        head = self._layout.head
        if self._layout.header is None or self._layout.format == "ndjson":
            return head
        start = len(head) - len(head.lstrip("\r\n"))
        return head[:start] + self._appended(self.guarded(head[start:]), self.tail(self._names))

    def tail(self, cells: Iterable[str]) -> str:
        """Write the new cells of a row as ``rows`` puts them behind it; they need no quotes."""
        if self._layout.format != "ndjson":
            return "".join(f"{self._layout.delimiter}{cell}" for cell in cells)
        members = zip(self._names, cells, strict=True)
        return ", ".join(
            f"{json.dumps(name)}: {json.dumps(cell or None)}" for name, cell in members
        )

    def rows(self, raws: Sequence[str], tails: Iterable[str]) -> list[str]:
        """Guard rows, each as it was read, and put a tail behind each."""
        guarded = zip(self.all_guarded(raws), tails, strict=True)
        if self._layout.format == "ndjson":
            return [self._appended(raw, tail) for raw, tail in guarded]
        return [f"{(body := raw.rstrip(_ENDS))}{tail}{raw[len(body) :]}" for raw, tail in guarded]

    def all_guarded(self, raws: Sequence[str]) -> Sequence[str]:
        """Guard rows; where none needs it, and few do, they are looked at together."""
        if not self.is_suspect("".join(raws)):
            return raws
        return [self.guarded(raw) for raw in raws]

    def guarded(self, raw: str) -> str:
        """Put an apostrophe before each cell of a row that begins like a formula."""
        if not self.is_suspect(raw):
            return raw
        parts: list[str] = []
        at = 0
        while at <= len(raw) and (cell := self._cell.match(raw, at)):
            text = cell[0]
            opening = int(text[:1] == self._layout.quote)
            formula = self._quoted if opening else self._bare
            mark = "'" if formula.match(raw, at + opening) else ""
            at += len(text) + 1
            parts += text[:opening], mark, text[opening:], raw[at - 1 : at]
        return "".join(parts)

    def is_suspect(self, text: str) -> bool:
        """Tell whether a cell in a text of rows may begin like a formula."""
        if self._layout.format == "ndjson" or not any(sign in text for sign in self._signs):
            return False
        text = "\n" + text
        return bool(self._suspect.search(text) or self._suspect_cr.search(text))

    def _appended(self, raw: str, tail: str) -> str:
        body = raw.rstrip(_ENDS)
        if self._layout.format != "ndjson":
            return f"{body}{tail}{raw[len(body) :]}"
        inside, brace, rest = raw.rpartition("}")
        comma = "" if inside.rstrip().endswith("{") else ", "
        return f"{inside}{comma}{tail}{brace}{rest}" if brace else raw
