"""What a file looks like: how it is packed, encoded and laid out in rows and columns."""

from dataclasses import dataclass
from typing import Literal

from .charsets import encoded

Packed = Literal["gzip", "zip"]
Format = Literal["csv", "lines", "ndjson", "xlsx"]


@dataclass(frozen=True, slots=True)
class Layout:
    """All that is needed to read a file's rows, and to write rows that fit under them.

    A workbook (``xlsx``) has the layout of the CSV file that its rows are told in: UTF-8 with a
    byte order mark, commas.
    """

    packed: Packed | None
    format: Format
    encoding: str
    bom: bytes
    delimiter: str
    quote: str | None
    newline: str
    header: tuple[str, ...] | None
    """Names of the columns as written; None: the first row is data already."""
    head: str
    """The text before the first row: header, empty lines; ``encode`` gives its bytes after bom."""
    known: str | None = None
    """The source whose export format this is, as ``sendgrid``."""

    def encode(self, text: str) -> bytes:
        """Give the bytes that a text of this file was read from."""
        return encoded(text, self.encoding)
