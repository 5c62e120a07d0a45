"""Lines of a text that comes in pieces: whole, with their ends, and no longer than is bearable."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .bad_file import BadFile
from .limits import Limits
from .rows import Batch, Fault, split_lines


class Lines(NamedTuple):
    """The text of many lines, their number, and how all of them end: None if not alike."""

    text: str
    number: int
    newline: str | None

    @classmethod
    def of(cls, text: str) -> "Lines":
        """Count lines that all have their ends."""
        feeds, returns = text.count("\n"), text.count("\r")
        if not returns:
            return cls(text, feeds, "\n")
        both = text.count("\r\n")
        return cls(text, feeds + returns - both, "\r\n" if feeds == returns == both else None)


def whole_lines(pieces: Iterable[str], limits: Limits, *, line: int) -> Iterator[Lines]:
    """Give many lines at a time; only the last line of all may lack its end.

    ``line`` is the number of the first one.

    Raises:
        BadFile: a line is too long.
    """
    rest: list[str] = []
    length = 0
    for piece in pieces:
        rest.append(piece)
        length += len(piece)
        if "\n" in piece or "\r" in piece or piece is rest[0] or rest[-2].endswith("\r"):
            text = "".join(rest)
            cut = _last_line_end(text)
            rest = [text[cut:]]
            length = len(rest[0])
            if cut:
                lines = Lines.of(text[:cut])
                line += lines.number
                yield lines
        if length > limits.line_characters:
            most = f"{limits.line_characters:,}"
            raise BadFile("line-too-long", f"a line has more than {most} characters", line=line)
    if length:
        yield Lines("".join(rest), 1, None)


def one_row_a_line(
    texts: Iterable[Lines], read: Callable[[str], list[str] | Fault], *, line: int
) -> Iterator[Batch]:
    """Make each line a row by ``read``, which gives its cells or its fault."""
    first = line
    for text, _, _ in texts:
        lines = split_lines(text)
        cells: list[list[str]] = []
        faults: dict[int, Fault] = {}
        for at, found in enumerate(map(read, lines)):
            if isinstance(found, Fault):
                faults[at] = found
                found = []  # noqa: PLW2901 - no cells
            cells.append(found)
        numbers = range(line, line + len(lines))
        yield Batch(line - first + 1, numbers, cells, lines, faults)
        line += len(lines)


def _last_line_end(text: str) -> int:
    """Find where the last whole line ends; a CR at the very end may be half of a CRLF."""
    return max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
