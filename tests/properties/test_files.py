"""Whatever is in a file, its bytes come back, and only cells that are formulas change."""

import csv
import gzip
import io
import re
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.files import BadFile, Batch, Layout, Limits, Result, guard, read_batches, read_layout
from tests.tables import zipped

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
QUOTING: list[Literal[0, 1]] = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL]
SMALL = Limits(row_characters=60, line_characters=4_000, reread_characters=100_000)

fragments = st.sampled_from(
    [
        *(
            '"',
            '""',
            ",",
            ";",
            "\t",
            "|",
            "\r",
            "\n",
            "\r\n",
            "\u2028",
            "\x85",
            "\0",
            " ",
            "x",
            "é",
        ),
        *(
            "0639980001",
            "+33 6 39 98 00 01",
            "=1+1",
            "-2",
            "@a",
            "'",
            "-",
            "+",
            "{",
            "}",
            '{"a": 1}',
        ),
    ]
)
texts = st.lists(fragments | st.text(max_size=4), max_size=60).map("".join)


def read_whole_unpacked(data: bytes) -> None:
    """Read a file to its end, or to its refusal by name; anything else comes out of here."""
    source = io.BytesIO(data)
    with suppress(BadFile):
        deque(read_batches(source, read_layout(source)), maxlen=0)


def read_whole(data: bytes, limits: Limits) -> tuple[Layout, list[str]] | None:
    """Read a file to its end; None where it is refused by name."""
    source = io.BytesIO(data)
    try:
        layout = read_layout(source, limits=limits)
        batches = list(read_batches(source, layout, limits=limits))
    except BadFile:
        return None
    assert_alike(batches, list(read_batches(source, layout, limits=limits, raws_only=True)), layout)
    lines = [line for batch in batches for line in batch.lines]
    assert lines == sorted(set(lines))
    assert [batch.number for batch in batches] == [
        1 + sum(map(len, batches[:at])) for at in range(len(batches))
    ]
    return layout, [raw for batch in batches for raw in batch.raws]


def assert_alike(batches: list[Batch], quick: list[Batch], layout: Layout) -> None:
    """See that a reading that leaves cells out gives the same rows, and any column of them."""
    for whole, raw in zip(batches, quick, strict=True):
        assert (raw.number, [*raw.lines], raw.raws) == (whole.number, [*whole.lines], whole.raws)
        assert raw.faults == whole.faults
        for at in range(4):
            assert raw.column(at, layout.delimiter) == whole.column(at, layout.delimiter)


@given(st.binary(max_size=300) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'a,b\n"1,2\n3,4\n5,"6"\n')
@example(b"a\r\r\nb\r")
@example(b"\xff\xfea\0,\0\x00\xd8\n\0")
@settings(max_examples=200, deadline=None)
def test_the_bytes_of_any_file_come_back(data: bytes) -> None:
    for limits in (Limits(), SMALL):
        if read := read_whole(data, limits):
            layout, raws = read
            assert layout.bom + layout.encode(layout.head + "".join(raws)) == data


@given(texts, st.sampled_from(ENCODINGS), st.binary(max_size=6))
@settings(deadline=None)
def test_the_bytes_of_any_text_come_back_in_any_encoding(
    text: str, encoding: str, wrong: bytes
) -> None:
    data = text.encode(encoding, "ignore") + wrong
    if read := read_whole(data, Limits()):
        layout, raws = read
        assert layout.bom + layout.encode(layout.head + "".join(raws)) == data


TABLE = b"phone;name\n" + b"0639980001;a\n" * 20
PACKED = [gzip.compress(TABLE), zipped(a_csv=TABLE), zipped(a_csv=TABLE, b_csv=TABLE)]
changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)


@given(st.sampled_from(PACKED), changes, st.integers(1, 400))
@settings(max_examples=400, deadline=None)
def test_a_packed_file_that_is_damaged_anywhere_is_read_or_refused_by_name(
    packed: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(packed[:length])
    for place, byte in changes:
        data[place % len(data)] = byte
    read_whole_unpacked(bytes(data))


cells = st.text(st.sampled_from("=@+-\t\r\n ,;\"'ab1(.)E|"), max_size=6)
tables = st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=6)
_NUMBER = re.compile(r"[+-][0-9(][0-9 .,()\-/]*(?:[eE][+-]?[0-9]+)?")


def _in_files_for_people(cell: str) -> str:
    """Guard a cell as the contract says."""
    is_formula = cell[:1] in {"=", "@", "\t", "\r"} or (
        cell[:1] in {"+", "-"} and not _NUMBER.fullmatch(cell)
    )
    return f"'{cell}" if is_formula else cell


@given(cells)
@settings(deadline=None)
def test_a_cell_alone_is_guarded_in_the_same_way(cell: str) -> None:
    assert guard(cell) == _in_files_for_people(cell)


@given(tables, st.sampled_from(",;\t|"), st.sampled_from(QUOTING))
@example([["x", '-1"']], ",", csv.QUOTE_MINIMAL)
@settings(max_examples=200, deadline=None)
def test_each_cell_that_begins_like_a_formula_is_guarded_and_no_other(
    table: list[list[str]], delimiter: str, quoting: Literal[0, 1]
) -> None:
    output = io.StringIO()
    csv.writer(output, delimiter=delimiter, quoting=quoting).writerows(table)
    layout = Layout(None, "csv", "utf-8", b"", delimiter, '"', "\r\n", None, "")
    batches = list(read_batches(io.BytesIO(output.getvalue().encode()), layout))
    raws = [raw for batch in batches for raw in batch.raws]
    guarded = "".join(Result(layout, ()).all_guarded(raws))
    read = list(csv.reader(io.StringIO(guarded, newline=""), delimiter=delimiter))
    assert read == [[_in_files_for_people(cell) for cell in row] for row in table]
    if all(cell == _in_files_for_people(cell) for row in table for cell in row):
        assert guarded == output.getvalue()


@given(tables, st.sampled_from(",;\t|"))
@settings(deadline=None)
def test_appended_columns_are_read_as_such_behind_the_callers_own(
    table: list[list[str]], delimiter: str
) -> None:
    output = io.StringIO()
    csv.writer(output, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table)
    layout = Layout(None, "csv", "utf-8", b"", delimiter, '"', "\r\n", None, "")
    result = Result(replace(layout, format="csv"), ("decision", "code"))
    batches = list(read_batches(io.BytesIO(output.getvalue().encode()), layout))
    raws = [raw for batch in batches for raw in batch.raws]
    rows = result.rows(raws, [result.tail(("allow", ""))] * len(raws))
    read = list(csv.reader(io.StringIO("".join(rows), newline=""), delimiter=delimiter))
    assert read == [[*map(_in_files_for_people, row), "allow", ""] for row in table]
