"""Packed files and workbooks: read as what is in them, and refused by name where they cheat."""

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.files import BadFile, Limits, read_batches, read_layout
from tests.tables import Serial, read, refusal, workbook, zipped

TABLE = b"phone;name\n0639980001;a\n0639980002;b\n"
ROWS = [["0639980001", "a"], ["0639980002", "b"]]
BOMB = gzip.compress(b"phone;name\n" + b"0639980001;%b\n" % (b"a" * 2_000) * 20_000)


def cells(data: bytes, limits: Limits | None = None) -> list[list[str]]:
    """Read the cells of a file."""
    return [row.cells for row in read(data, limits)[1]]


def test_a_gzip_file_is_read_all_its_members_through() -> None:
    layout, rows = read(gzip.compress(TABLE[:20]) + gzip.compress(TABLE[20:]) + b"\0" * 100)
    assert (layout.packed, layout.format) == ("gzip", "csv")
    assert [row.cells for row in rows] == ROWS


@pytest.mark.parametrize("cut", [1, 9, 20])
def test_a_gzip_file_that_is_cut_short_gives_its_rows_and_then_says_so(cut: int) -> None:
    many = b"phone;name\n" + b"".join(
        b"%010d;%b\n" % (n, os.urandom(8).hex().encode()) for n in range(30_000)
    )
    source = io.BytesIO(gzip.compress(many)[:-cut])
    layout = read_layout(source)
    batches = read_batches(source, layout)
    assert len(next(batches)) > 100
    with pytest.raises(BadFile) as refused:
        list(batches)
    assert refused.value.code == "cut-short"


def test_a_damaged_gzip_file_is_refused_by_name() -> None:
    packed = bytearray(gzip.compress(TABLE))
    packed[-6] ^= 1
    assert refusal(bytes(packed)) == ("damaged", None)
    assert refusal(gzip.compress(TABLE) + b"something else") == ("damaged", None)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked() -> None:
    assert refusal(BOMB) == ("unpacks-to-too-much", None)
    assert refusal(gzip.compress(TABLE * 20), Limits(unpacked_bytes=500)) == (
        "unpacks-to-too-much",
        None,
    )


def test_a_zip_file_is_read_for_the_one_table_in_it() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.mkdir("export")
        archive.writestr("export/list.csv", TABLE)
        archive.writestr("__MACOSX/export/._list.csv", b"\0\5\x16\7")
        archive.writestr("export/.DS_Store", b"\0")
    layout, rows = read(output.getvalue())
    assert (layout.packed, [row.cells for row in rows]) == ("zip", ROWS)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (zipped(a_csv=TABLE, b_csv=TABLE), "zip-of-many"),
        (zipped(), "empty"),
        (zipped(a_csv=b""), "empty"),
        (zipped(a_zip=zipped(a_csv=TABLE)), "packed-twice"),
        (zipped(a_gz=gzip.compress(TABLE)), "packed-twice"),
        (gzip.compress(zipped(a_csv=TABLE)), "packed-twice"),
        (zipped(a_xlsx=workbook([["phone"]])), "packed-twice"),
        (zipped(a_csv=BOMB)[:200], "damaged"),
        (zipped(a_csv=TABLE)[:-10], "damaged"),
        (zipped(a_csv=b"0639980001\n" * 3_000_000), "unpacks-to-too-much"),
        (b"PK\x03\x04" + b"x" * 100, "damaged"),
    ],
)
def test_a_zip_file_that_holds_something_else_is_refused_by_name(data: bytes, code: str) -> None:
    assert refusal(data) == (code, None)


def test_an_encrypted_zip_file_is_refused_by_name() -> None:
    packed = zipped(a_csv=TABLE)
    local, directory = packed.index(b"PK\3\4") + 6, packed.index(b"PK\1\2") + 8
    marked = bytearray(packed)
    marked[local] |= 1
    marked[directory] |= 1
    assert refusal(bytes(marked)) == ("encrypted", None)


def test_a_zip_file_whose_content_was_changed_is_refused_at_its_end() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("list.csv", TABLE)
    assert refusal(output.getvalue().replace(b"0639980002", b"0639980003", 1)) == ("damaged", None)


def test_a_zip_file_packed_in_a_way_that_nothing_here_reads_is_refused_by_name() -> None:
    packed = bytearray(zipped(a_csv=TABLE))
    for place in (packed.index(b"PK\3\4") + 8, packed.index(b"PK\1\2") + 10):
        packed[place : place + 2] = struct.pack("<H", 97)
    assert refusal(bytes(packed)) == ("unknown-packing", None)


def test_a_zip_directory_of_millions_is_refused_unread() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for number in range(6_000):
            archive.writestr(f"{number}.csv", b"")
    assert refusal(output.getvalue()) == ("zip-of-many", None)
    honest = bytearray(zipped(a_csv=TABLE))
    honest[-10:-6] = struct.pack("<L", 1 << 30)
    assert refusal(bytes(honest)) == ("zip-of-many", None)


def test_a_zip_file_with_the_long_form_of_its_directory_is_read() -> None:
    packed = zipped(a_csv=TABLE)
    end = packed.index(b"PK\5\6")
    count, size, offset = struct.unpack("<HLL", packed[end + 10 : end + 20])
    long_end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    place = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    short_end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65_535, 65_535, 2**32 - 1, 2**32 - 1, 0)
    assert cells(packed[:end] + long_end + place + short_end) == ROWS


def test_a_workbook_is_told_as_the_csv_file_that_it_would_be() -> None:
    layout, rows = read(
        workbook(
            [
                ["Téléphone", "Date", "Montant", "Note"],
                [612345678.0, Serial(46053.4375), 1.5, 'a "b", c\nd'],
                [],
                ["0639980001", Serial(46053.0), None, "'=1+1"],
                ["#N/A", "#N/A", True, 1e20],
            ]
        )
    )
    assert (layout.packed, layout.format) == (None, "xlsx")
    assert (layout.encoding, layout.bom, layout.delimiter) == ("utf-8", b"\xef\xbb\xbf", ",")
    assert layout.header == ("Téléphone", "Date", "Montant", "Note")
    assert [(row.number, row.line, row.cells) for row in rows] == [
        (1, 2, ["612345678", "2026-01-31 10:30:00", "1.5", 'a "b", c\nd']),
        (2, 3, []),
        (3, 4, ["0639980001", "2026-01-31", "", "'=1+1"]),
        (4, 5, ["", "", "TRUE", "1e+20"]),
    ]
    assert rows[0].raw == '612345678,2026-01-31 10:30:00,1.5,"a ""b"", c\nd"\r\n'


def test_a_workbook_is_read_for_its_first_visible_sheet_with_data() -> None:
    sheets = workbook([["hidden"], ["x"]], [], [["phone"], ["0639980001"]], [["y"]], hidden=[0])
    assert cells(sheets) == [["0639980001"]]
    assert [row.line for row in read(workbook([[], [], ["phone"], ["0639980001"]]))[1]] == [4]
    assert refusal(workbook([], [])) == ("empty", None)
    assert cells(workbook([['{"phone"'], ["[{"]])) == [["[{"]]


def test_a_broken_workbook_is_refused_by_name() -> None:
    whole = workbook([["phone"], ["0639980001"]])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content[:-30] if name.endswith("sheet1.xml") else content)
    assert refusal(output.getvalue()) == ("damaged", None)


@pytest.mark.parametrize(
    ("place", "memory"), [("XFD1048576", Limits().workbook_memory_bytes), ("P1048576", 300_000_000)]
)
def test_a_workbook_with_a_cell_at_its_far_end_ends_no_process_but_its_reader(
    place: str, memory: int
) -> None:
    # Two cells make a sheet of 17 billion, or of 17 million: the reader would hold them all.
    with zipfile.ZipFile(io.BytesIO(workbook([["phone"]]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    cell = f'<row r="1048576"><c r="{place}"><v>1</v></c></row></sheetData>'
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b"</sheetData>", cell.encode())
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    limits = Limits(workbook_memory_bytes=memory)
    assert refusal(output.getvalue(), limits) == ("workbook-too-large", None)


def test_a_workbook_that_unpacks_to_too_much_is_refused_by_its_directory() -> None:
    large = workbook([["phone"], ["x" * 1_000_000]])
    assert refusal(large, Limits(workbook_bytes=100_000)) == ("workbook-too-large", None)
    assert refusal(large, Limits(unguarded_bytes=0)) == ("workbook-too-large", None)


def test_a_workbook_given_up_half_way_leaves_no_process_behind() -> None:
    source = io.BytesIO(workbook([["phone"], *([f"06399{n:05}"] for n in range(50_000))]))
    batches = read_batches(source, read_layout(source))
    next(batches)
    assert len(list(_children())) == 1
    batches.close()  # type: ignore[attr-defined]  # it is a generator
    assert list(_children()) == []


def _children() -> Iterator[int]:
    """List the living readers of workbooks that this process started."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                words = (folder / "cmdline").read_bytes()
            except (OSError, IndexError):
                continue
            if parent == os.getpid() and b"workbook_program" in words:
                yield int(folder.name)
