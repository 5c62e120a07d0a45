"""Text in files: every usual dialect and encoding; what is wrong with a row is told of that row."""

import csv
import io
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from app.files import BadFile, Fault, Limits, read_batches, read_layout, read_start
from app.files.limits import CELL_CHARACTERS
from app.files.unpacking import PIECE_BYTES
from tests.tables import read, refusal

TABLE = "Téléphone{0}Nom\r\n0639980001{0}Zoé\r\n"
LITTLE = Limits(row_characters=200, line_characters=1_000, columns=3, reread_characters=2_000)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found_by_what_parts_the_rows_evenly(delimiter: str) -> None:
    layout, rows = read((TABLE.format(delimiter) + f'0639980002{delimiter}"a,b;c"\r\n').encode())
    assert (layout.delimiter, layout.header) == (delimiter, ("Téléphone", "Nom"))
    assert [row.cells for row in rows] == [["0639980001", "Zoé"], ["0639980002", "a,b;c"]]


@pytest.mark.parametrize(
    ("encoding", "named", "mark"),
    [
        ("utf-8", "utf-8", b""),
        ("utf-8-sig", "utf-8", b"\xef\xbb\xbf"),
        ("utf-16", "utf-16-le", b"\xff\xfe"),
        ("utf-16-le", "utf-16-le", b""),
        ("utf-16-be", "utf-16-be", b""),
        ("cp1252", "cp1252", b""),
    ],
)
def test_an_encoding_is_told_from_the_bytes(encoding: str, named: str, mark: bytes) -> None:
    data = TABLE.format(";").encode(encoding)
    layout, rows = read(data)
    assert (layout.encoding, layout.bom, layout.header) == (named, mark, ("Téléphone", "Nom"))
    assert rows[0].cells == ["0639980001", "Zoé"]
    assert layout.bom + layout.encode(layout.head + rows[0].raw) == data


def test_a_broken_row_in_another_encoding_does_not_change_that_of_the_file() -> None:
    data = "nom;tél\nZoé;0639980001\nÉlodie;0639980002\n".encode() + "Noé;0\n".encode("cp1252")
    layout, rows = read(data)
    assert layout.encoding == "utf-8"
    assert layout.header == ("nom", "tél")
    assert layout.encode(rows[-1].raw) == "Noé;0\n".encode("cp1252")


def test_rows_know_their_number_and_line_across_newlines_in_quotes() -> None:
    _, rows = read(b'phone;note\r\n1;"a\r\nb ""c"""\r\n\r\n2;d')
    assert [tuple(row) for row in rows] == [
        (1, 2, ["1", 'a\r\nb "c"'], '1;"a\r\nb ""c"""\r\n', None),
        (2, 4, [], "\r\n", Fault.BLANK),
        (3, 5, ["2", "d"], "2;d", None),
    ]


@pytest.mark.parametrize(
    ("text", "header", "rows"),
    [
        ("phone\n0639980001\n", ("phone",), [["0639980001"]]),
        ("0639980001\n0639980002\n", None, [["0639980001"], ["0639980002"]]),
        ("0639980001;Zoé\n0639980002;Noé\n", None, [["0639980001", "Zoé"], ["0639980002", "Noé"]]),
        ("a@example.com,x\n", None, [["a@example.com", "x"]]),
        ("202,5550001\n202,5550002\n", None, [["202", "5550001"], ["202", "5550002"]]),
        ("crm:A1\ncrm:A2\n", None, [["crm:A1"], ["crm:A2"]]),
        ("\n\nphone,name\n1,x\n", ("phone", "name"), [["1", "x"]]),
        ('"phone"\n"0639980001"\n', ("phone",), [["0639980001"]]),
        ("sep=;\nphone;name\n1;a,b\n", ("phone", "name"), [["1", "a,b"]]),
        ("sep=0\n0639980001\n", ("sep=0",), [["0639980001"]]),
        ("phone\n3,36123E+10\n3,36124E+10\n", ("phone",), [["3,36123E+10"], ["3,36124E+10"]]),
        ("a\rb\r", ("a",), [["b"]]),
        (
            "Téléphone;2024;2024-01-31\n1;2;3\n",
            ("Téléphone", "2024", "2024-01-31"),
            [["1", "2", "3"]],
        ),
        ("0639980001;mobile\n", None, [["0639980001", "mobile"]]),
        ("12;13\n14;15\n", None, [["12", "13"], ["14", "15"]]),
    ],
)
def test_a_first_row_is_a_header_unless_a_contact_point_or_a_number_stands_in_it(
    text: str, header: tuple[str, ...] | None, rows: list[list[str]]
) -> None:
    layout, found = read(text.encode())
    assert (layout.header, [row.cells for row in found]) == (header, rows)


def test_a_line_end_that_two_pieces_of_the_file_share_is_one() -> None:
    start = b"phone;name\r\n1;"
    row = start + b"x" * (PIECE_BYTES - len(start) - 1)
    _, rows = read(row + b"\r\n2;y\r\n")
    assert [(row.line, row.fault) for row in rows] == [(2, None), (3, None)]


def test_objects_a_line_are_read_by_their_names() -> None:
    layout, rows = read(
        b'{"phone": "0639980001", "why": {"code": "x"}}\n'
        b'{"phone": 639980002, "list": [1, null], "none": null, "yes": true}\n\nno object\n[]\n'
    )
    assert layout.format == "ndjson"
    assert layout.header == ("phone", "why.code", "list", "none", "yes")
    assert [(row.line, row.cells, row.fault) for row in rows] == [
        (1, ["0639980001", "x", "", "", ""], None),
        (2, ["639980002", "", "[1, null]", "", "true"], None),
        (3, [], Fault.BLANK),
        (4, [], Fault.NOT_JSON),
        (5, [], Fault.NOT_JSON),
    ]


@pytest.mark.parametrize("nested", [b'{"a":' * 100_000, b'{"a": ' + b"9" * 5_000 + b"}"])
def test_absurd_json_is_a_fault_of_its_row(nested: bytes) -> None:
    _, rows = read(b'{"a": 1}\n' + nested + b"\n")
    assert [row.fault for row in rows] == [None, Fault.NOT_JSON]


def test_an_object_that_says_a_thing_twice_is_a_fault_of_its_row() -> None:
    layout, rows = read(b'{"a": 1, "a": 2}\n{"a": 3}\n{"a": {"b": 4, "b": 5}}\n')
    assert layout.format == "ndjson"
    assert [row.fault for row in rows] == [Fault.NOT_JSON, None, Fault.NOT_JSON]


def test_nothing_is_refused_as_empty() -> None:
    for nothing in (b"", b"\n\r\n", b"\xef\xbb\xbf", b"\xff\xfe\n\0", b"sep=;\n"):
        assert refusal(nothing) == ("empty", None)


def test_a_header_alone_is_a_file_without_rows() -> None:
    layout, rows = read(b"phone;name\n")
    assert (layout.header, rows) == (("phone", "name"), [])


def test_a_quote_that_is_never_closed_costs_its_own_row() -> None:
    _, rows = read(b'phone;name\n1;"x\n2;y\n3;"z"\n4;w\n')
    assert [(row.line, row.cells, row.fault) for row in rows] == [
        (2, [], Fault.QUOTE_NOT_CLOSED),
        (3, ["2", "y"], None),
        (4, ["3", "z"], None),
        (5, ["4", "w"], None),
    ]


@pytest.mark.parametrize(
    "header", ['phone;"name', '"phone;name', '"phone"x;name', f"phone;{'n' * 140_000}"]
)
def test_a_header_that_is_badly_quoted_costs_no_row(header: str) -> None:
    layout, rows = read(f'{header}\n1;a\n2;"b\nc"\n'.encode())
    assert layout.head == f"{header}\n"
    assert [row.cells for row in rows] == [["1", "a"], ["2", "b\nc"]]


def test_a_header_may_have_several_lines() -> None:
    layout, rows = read(b'phone;"first\nname"\n1;a\n')
    assert (layout.header, layout.head) == (("phone", "first\nname"), 'phone;"first\nname"\n')
    assert [(row.line, row.cells) for row in rows] == [(3, ["1", "a"])]


def test_a_quote_that_is_never_closed_costs_its_own_row_however_much_follows() -> None:
    rest = b"".join(b"%d;%s\n" % (number, b"y" * 40) for number in range(20_000))
    _, rows = read(b'phone;name\n1;"x\n' + rest)
    assert [row.fault for row in rows[:2]] == [Fault.QUOTE_NOT_CLOSED, None]
    assert len(rows) == 20_001


def test_quotes_that_open_in_every_row_end_the_file_by_name() -> None:
    assert refusal(b"phone;name\n" + b'a"b;"c\n' * 500, LITTLE)[0] == "quotes-not-closed"


def test_a_cell_and_a_row_have_a_limit_and_the_next_row_is_read() -> None:
    long_cell = b"x" * (CELL_CHARACTERS + 1)
    long_row = b";".join([b"y" * 100_000] * 12)
    _, rows = read(b"phone;name\n1;%b\n2;b\n%b\n3;c\n" % (long_cell, long_row))
    assert [(row.cells, row.fault) for row in rows] == [
        ([], Fault.CELL_TOO_LONG),
        (["2", "b"], None),
        ([], Fault.ROW_TOO_LONG),
        (["3", "c"], None),
    ]
    assert rows[0].raw == f"1;{long_cell.decode()}\n"


def test_a_cell_of_ten_megabytes_is_a_fault_of_its_row() -> None:
    _, rows = read(b"phone;name\n1;%b\n2;b\n" % (b"x" * 10_000_000))
    assert [(row.cells, row.fault) for row in rows] == [
        ([], Fault.ROW_TOO_LONG),
        (["2", "b"], None),
    ]


def test_a_line_without_end_is_refused_with_its_number() -> None:
    assert refusal(b"phone;name\n1;a\n" + b"x" * 20_000_000) == ("line-too-long", 3)


def test_a_thousand_columns_are_read_and_absurdly_many_refused() -> None:
    header = ";".join(f"c{number}" for number in range(1_000))
    layout, rows = read(f"{header}\n{';'.join('1' * 1_000)}\n".encode())
    assert layout.header is not None
    assert (len(layout.header), len(rows[0].cells)) == (1_000, 1_000)
    assert refusal(b"a;b;c;d\n", LITTLE) == ("too-many-columns", None)


def test_zeros_stand_in_their_cells() -> None:
    _, rows = read(b"phone,name\n06\x0039980001,x\n0639980002,y\n")
    assert [row.cells for row in rows] == [["06\x0039980001", "x"], ["0639980002", "y"]]


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\x28\xb5\x2f\xfd\x04\x00",
        b"\x89PNG\r\n\x1a\n",
        bytes(range(256)) * 4,
    ],
)
def test_what_is_no_text_is_refused_by_name(data: bytes) -> None:
    assert refusal(data) == ("not-a-table", None)


def test_a_json_array_is_refused_by_name() -> None:
    for array in (b'[{"phone": "0639980001"}]', b"[1, 2]", b'[ "a"]', b"[]"):
        assert refusal(array) == ("json-array", None)
    assert read(b"[phone],name\n1,a\n")[0].header == ("[phone]", "name")


def test_utf_16_that_ends_in_the_middle_of_a_character_is_refused() -> None:
    assert refusal("phone;name\n1;a\n".encode("utf-16") + b"x") == ("cut-short", None)


class Generated(io.RawIOBase):
    """A file of many gigabytes, of which nothing is kept: one piece again and again."""

    def __init__(self, start: bytes, piece: bytes, size: int) -> None:
        """Take how it begins, what follows, and how long it is."""
        self._start, self._piece, self._size, self._at = start, piece, size, 0

    def seekable(self) -> bool:
        """Say that it begins anew where it is told to."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to the beginning, which is all that is asked."""
        assert (offset, whence) == (0, io.SEEK_SET)
        self._at = 0
        return 0

    def read(self, size: int = -1) -> bytes:
        """Give the next piece, however much is asked for."""
        if self._at >= self._size:
            return b""
        given = self._start[:size] if self._at == 0 else self._piece
        self._at += len(given)
        return given


PIECES = {
    "rows": b"0639980001;%b\n" % (b"x" * 200) * 140,
    "one line": b"0639980001;x" * 2_500,
    "quotes": b'0639980001;"%b\n' % (b"x" * 2_000) * 17,
}


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
def test_a_file_of_ten_gigabytes_takes_no_memory(piece: bytes) -> None:
    # What stands for it is its beginning: if more than a piece were kept, that would be seen.
    source = Generated(b"phone;name\n", piece, 10_000_000_000)
    layout = read_layout(source)  # type: ignore[arg-type]  # as much of a file as is needed
    before, most = resident(), 0
    read_bytes = 0
    with suppress(BadFile):
        for batch in read_batches(source, layout):  # type: ignore[arg-type]  # the same
            read_bytes += sum(map(len, batch.raws))
            most = max(most, resident())
            if read_bytes > 20_000_000:
                break
    assert most - before < 10_000_000


def resident() -> int:
    """Tell how much memory this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_reading_costs_little_more_than_the_csv_module_itself() -> None:
    # Counted in rows of which each makes the reader leave the quick way: none may.
    data = b"phone,name,mail\n" + b"0639980001,Zo\xc3\xa9,a@example.com\n" * 5_000
    source = io.BytesIO(data)
    batches = list(read_batches(source, read_layout(source)))
    assert sum(map(len, batches)) == 5_000
    assert all(isinstance(batch.lines, range) for batch in batches)


def test_the_limit_of_a_cell_is_that_of_the_csv_module() -> None:
    assert csv.field_size_limit() == CELL_CHARACTERS == 131_072


def test_the_start_of_a_file_has_whole_rows_and_no_faults() -> None:
    small = b'phone;name\n1;a\n\n2;"b\n3;c\n'
    assert read_start(io.BytesIO(small))[1] == [["1", "a"], ["3", "c"]]
    wide = b"phone;name\n" + b"1;%b\n" % (b"x" * 100_000) * 10
    assert read_start(io.BytesIO(wide))[1] == [["1", "x" * 100_000]] * 2
    long = b"phone;name\n" + b"1;y\n" * 100_000
    assert read_start(io.BytesIO(long))[1] == [["1", "y"]] * 200
