"""From bytes to batches of rows: finding out what a file looks like, and reading it so."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .bad_file import BadFile
from .charsets import decoded, find_encoding
from .delimited import DelimitedReader
from .detection import find_table, read_object
from .exports import recognise
from .layout import Layout, Packed
from .limits import CELL_CHARACTERS, Limits
from .lines import one_row_a_line, whole_lines
from .rows import Batch, Fault, Row, split_lines
from .unpacking import GZIP, PIECE_BYTES, ZIPS, gunzipped, open_zip, unzipped
from .workbooks import is_workbook, require_small, workbook_text

_LIMITS = Limits()
_SAMPLE_BYTES = 262_144
_SAMPLE_ROWS = 200
_PLAIN_PIECES = 3
_UTF8_MARK = b"\xef\xbb\xbf"
_OTHERS = (
    (b"%PDF", "it is a PDF document"),
    (b"\xd0\xcf\x11\xe0", "it is an old Excel file, or has a password: save it as .xlsx or CSV"),
    (b"\x28\xb5\x2f\xfd", "it is packed with zstd; gzip and zip are read"),
    (b"BZh", "it is packed with bzip2; gzip and zip are read"),
    (b"\xfd7zXZ", "it is packed with xz; gzip and zip are read"),
    (b"7z\xbc\xaf", "it is packed with 7-Zip; gzip and zip are read"),
    (b"Rar!", "it is packed with RAR; gzip and zip are read"),
    (b"\x89PNG", "it is a picture"),
    (b"\xff\xd8\xff", "it is a picture"),
)
_CONTROLS = bytes(code for code in range(0x20) if code not in b"\0\t\n\v\f\r\x1a\x1b")
_FEW_CONTROLS = 0.05


def read_layout(source: BinaryIO, *, limits: Limits = _LIMITS) -> Layout:
    """Find out what a file looks like from its beginning.

    Raises:
        BadFile: it is empty, or nothing that can be read as a table.
    """
    return read_start(source, limits=limits)[0]


def read_start(source: BinaryIO, *, limits: Limits = _LIMITS) -> tuple[Layout, list[list[str]]]:
    """Find out what a file looks like, and read the cells of some rows: to guess columns from.

    Raises:
        BadFile: it is empty, or nothing that can be read as a table.
    """
    with _opened(source, limits) as (packed, is_sheet, pieces):
        sample = _sample(pieces)
    if not is_sheet:
        _require_text(sample, packed)
    encoding, mark = ("utf-8", b"") if is_sheet else find_encoding(sample)
    text = next(decoded([sample[len(mark) :]], encoding))
    table = find_table(text, limits, delimiter="," if is_sheet else None)
    export = recognise(table.header)
    layout = Layout(
        packed,
        "xlsx" if is_sheet else table.format,
        encoding,
        _UTF8_MARK if is_sheet else mark,
        table.delimiter,
        table.quote,
        table.newline,
        table.header,
        table.head,
        export.source if export else None,
    )
    is_whole = len(sample) < _SAMPLE_BYTES
    rows = [
        row.cells
        for batch in _batches([text], layout, limits)
        for row in batch.rows()
        if row.fault is None
    ]
    # The last row of a part of a file is cut in the middle.
    return layout, rows[: _SAMPLE_ROWS if is_whole else min(_SAMPLE_ROWS, len(rows) - 1)]


def read_batches(
    source: BinaryIO, layout: Layout, *, limits: Limits = _LIMITS, raws_only: bool = False
) -> Iterator[Batch]:
    """Read all rows after the head, thousands at a time, from the start of ``source``.

    How far it is can be asked of ``source.tell()``, packed or not. With ``raws_only`` the cells of
    a batch may be left out, for whoever wants none or one of them: ``Batch.column`` splits.

    Raises:
        BadFile: the rest of the file cannot be read; what was given before it stands.
    """
    # As long as a plain text may be: no lists of rows are made of it.
    piece_bytes = _PLAIN_PIECES * PIECE_BYTES if raws_only else PIECE_BYTES
    with _opened(source, limits, piece_bytes=piece_bytes) as (_, is_sheet, pieces):
        mark = b"" if is_sheet else layout.bom
        text = decoded(_without(mark, pieces), layout.encoding)
        yield from _batches(text, layout, limits, raws_only=raws_only)


def _batches(
    pieces: Iterable[str], layout: Layout, limits: Limits, *, raws_only: bool = False
) -> Iterator[Batch]:
    line = 1 + len(split_lines(layout.head))
    texts = whole_lines(_after(layout.head, pieces), limits, line=line)
    if layout.format == "ndjson":
        yield from one_row_a_line(texts, _ObjectReader(layout, limits).read, line=line)
    elif layout.format == "lines":
        yield from one_row_a_line(texts, _read_line, line=line)
    else:
        yield from DelimitedReader(layout, limits, raws_only=raws_only).read(texts)


def read_rows(source: BinaryIO, layout: Layout, *, limits: Limits = _LIMITS) -> Iterator[Row]:
    """Read all rows one by one, at a third of the speed of ``read_batches``.

    Raises:
        BadFile: the rest of the file cannot be read; what was given before it stands.
    """
    for batch in read_batches(source, layout, limits=limits):
        yield from batch.rows()


@contextmanager
def _opened(
    source: BinaryIO, limits: Limits, *, piece_bytes: int = PIECE_BYTES
) -> Iterator[tuple[Packed | None, bool, Iterable[bytes]]]:
    """Give how a file is packed, whether it is a workbook, and its text in pieces."""
    source.seek(0)
    start = source.read(4)
    source.seek(0)
    if start.startswith(GZIP):
        yield "gzip", False, gunzipped(source, limits)
    elif start in ZIPS:
        with open_zip(source, limits) as archive:
            if not is_workbook(archive):
                yield "zip", False, unzipped(archive, limits)
                return
            require_small(archive, limits)
            source.seek(0)
            yield None, True, workbook_text(source, limits)
    else:
        yield None, False, _pieces(source, piece_bytes)


def _pieces(source: BinaryIO, piece_bytes: int) -> Iterator[bytes]:
    while piece := source.read(piece_bytes):
        yield piece


def _sample(pieces: Iterable[bytes]) -> bytes:
    """Put the first pieces together; unpacked ones may be small."""
    sample = b""
    for piece in pieces:
        sample += piece
        if len(sample) >= _SAMPLE_BYTES:
            break
    return sample


def _require_text(sample: bytes, packed: Packed | None) -> None:
    """Refuse, by name, what is known to be no text.

    Raises:
        BadFile: it is something else, or packed twice.
    """
    if packed and (sample.startswith(GZIP) or sample[:4] in ZIPS):
        raise BadFile("packed-twice", "there is a packed file, or a workbook, in the packed file")
    for start, words in _OTHERS:
        if sample.startswith(start):
            raise BadFile("not-a-table", words)
    if sum(map(sample.count, map(bytes, zip(_CONTROLS, strict=True)))) > _FEW_CONTROLS * len(
        sample
    ):
        raise BadFile("not-a-table", "it is no text")


def _without(mark: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    left = len(mark)
    for piece in pieces:
        yield piece[left:]
        left = max(0, left - len(piece))


def _after(head: str, pieces: Iterable[str]) -> Iterator[str]:
    left = len(head)
    for piece in pieces:
        yield piece[left:]
        left = max(0, left - len(piece))


def _read_line(line: str) -> list[str] | Fault:
    cell = line.rstrip("\r\n")
    if not cell:
        return Fault.BLANK
    return Fault.CELL_TOO_LONG if len(cell) > CELL_CHARACTERS else [cell]


class _ObjectReader:
    """Reads lines of NDJSON as cells in the order of the layout's names."""

    def __init__(self, layout: Layout, limits: Limits) -> None:
        self._names = layout.header or ()
        self._limits = limits

    def read(self, line: str) -> list[str] | Fault:
        if not line.strip():
            return Fault.BLANK
        if len(line) > self._limits.row_characters:
            return Fault.ROW_TOO_LONG
        document = read_object(line)
        if document is None:
            return Fault.NOT_JSON
        return [document.get(name, "") for name in self._names]
