"""What is held of a list that broke off: whole lines, the cursor they came with, whose they are."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_COLUMNS = 7
_POSITION = 5


@dataclass(frozen=True, slots=True)
class Held:
    """The beginning of a list: its cursor, the position in its last line, its lines as text."""

    cursor: str
    position: int
    lines: int

    @property
    def query(self) -> dict[str, Any]:
        """What to ask the registry for the rest with."""
        return {"cursor": self.cursor, "after": self.position}


def note_of(path: Path) -> Path:
    """Name the file that tells of the list being written in the place of another."""
    return path.with_name(f".{path.name}.part.cursor")


def write_note(file: IO[bytes], cursor: str, source: str) -> None:
    """Write down which list this is; ``source`` names registry, key and format, readably or not."""
    file.write(json.dumps({"cursor": cursor, "source": source}).encode() + b"\n")


def hold(file: IO[bytes], note: Path, *, source: str, is_csv: bool) -> Held | None:
    """Cut what a run before this one has written to its whole lines; to nothing if it was another.

    The file is left at its end.
    """
    held = _held(file, note, source=source, is_csv=is_csv)
    if held is None:
        file.seek(0)
        file.truncate()
    return held


def _held(file: IO[bytes], note: Path, *, source: str, is_csv: bool) -> Held | None:
    try:
        told = json.loads(note.read_bytes())
        if told["source"] != source:
            return None
        file.seek(0)
        lines, end, position = _last_of_csv(file) if is_csv else _last_of_json(file)
        held = Held(str(told["cursor"]), position, lines)
    except (FileNotFoundError, ValueError, KeyError, TypeError, csv.Error):
        return None
    file.seek(end)
    file.truncate()
    return held


def _last_of_json(file: IO[bytes]) -> tuple[int, int, int]:
    """Find how many whole lines there are, where the last ends, and its position.

    Raises:
        ValueError, KeyError, TypeError: there is none, or it is not of a list.
    """
    lines = end = 0
    last = b""
    for line in file:
        if line.endswith(b"\n"):
            lines, end, last = lines + 1, end + len(line), line
    return lines, end, int(json.loads(last)["position"])


def _last_of_csv(file: IO[bytes]) -> tuple[int, int, int]:
    """Find the same in CSV, where a value in quotes may hold what looks like the end of a line.

    Raises:
        ValueError, csv.Error: as above.
    """
    read = count = 0
    line = b""

    def texts() -> Iterator[str]:
        nonlocal read, count, line
        for line in file:
            read, count = read + len(line), count + 1
            yield line.decode("utf-8", "surrogateescape")

    lines, end, position = 0, 0, ""
    for record in csv.reader(texts()):
        if len(record) == _COLUMNS and line.endswith(b"\r\n"):
            lines, end, position = count, read, record[_POSITION]
    return lines, end, int(position)
