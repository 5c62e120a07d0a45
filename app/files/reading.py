"""From bytes to batches of rows: finding out what a file looks like, and reading it so."""

import codecs
import csv
import re
from collections.abc import Iterator
from typing import BinaryIO

from .bad_file import BadFile
from .delimited import DelimitedReader
from .layout import Layout
from .limits import Limits
from .rows import Batch, Row

_PIECE_BYTES = 262_144
_LIMITS = Limits()


def read_layout(source: BinaryIO, *, filename: str | None = None) -> Layout:
    """Find out what a file looks like from its beginning; ``source`` is left at its start.

    Raises:
        BadFile: it is empty, or nothing that can be read as a table.
    """
    del filename
    sample = source.read(_PIECE_BYTES)
    source.seek(0)
    bom = codecs.BOM_UTF8 if sample.startswith(codecs.BOM_UTF8) else b""
    text = sample[len(bom) :].decode("utf-8", "surrogateescape")
    head = re.match(r"[^\r\n]*(?:\r\n|\r|\n)?", text)
    if head is None or not head[0].strip():
        raise BadFile("empty", "there is nothing in the file")
    delimiter = max(",;\t|", key=head[0].count)
    newline = "\r\n" if head[0].endswith("\r\n") else "\n"
    header = tuple(next(csv.reader([head[0]], delimiter=delimiter)))
    return Layout(None, "csv", "utf-8", bom, delimiter, '"', newline, header, head[0])


def read_batches(source: BinaryIO, layout: Layout, *, limits: Limits = _LIMITS) -> Iterator[Batch]:
    """Read all rows after the head, thousands at a time, from the start of ``source``.

    How far it is can be asked of ``source.tell()``, packed or not.

    Raises:
        BadFile: the rest of the file cannot be read; what was given before it stands.
    """
    source.seek(0)
    yield from DelimitedReader(layout, limits).read(_after_head(_pieces(source, layout), layout))


def read_rows(source: BinaryIO, layout: Layout, *, limits: Limits = _LIMITS) -> Iterator[Row]:
    """Read all rows one by one, at a third of the speed of ``read_batches``.

    Raises:
        BadFile: the rest of the file cannot be read; what was given before it stands.
    """
    for batch in read_batches(source, layout, limits=limits):
        yield from batch.rows()


def _pieces(source: BinaryIO, layout: Layout) -> Iterator[str]:
    source.read(len(layout.bom))
    decoder = codecs.getincrementaldecoder(layout.encoding)("surrogateescape")
    while piece := source.read(_PIECE_BYTES):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _after_head(pieces: Iterator[str], layout: Layout) -> Iterator[str]:
    left = len(layout.head)
    for piece in pieces:
        yield piece[left:]
        left = max(0, left - len(piece))
