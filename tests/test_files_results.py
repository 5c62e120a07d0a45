"""Results: the caller's own rows with columns appended, and nothing in them that calculates."""

import io

import pytest

from app.files import Layout, Result, read_layout
from tests.tables import read, workbook

NAMES = ("decision", "code", "since")


def scrubbed(data: bytes) -> bytes:
    """Answer each row of a file alike, as a scrub does."""
    layout, rows = read(data)
    result = Result(layout, NAMES)
    raws = [row.raw for row in rows]
    written = result.rows(raws, [result.tail(("block", "opted_out", ""))] * len(raws))
    return layout.bom + layout.encode(result.head + "".join(written))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_result_is_in_the_dialect_and_encoding_of_the_file(encoding: str) -> None:
    table = 'Tél;Nom\r\n0639980001;Zoé\r\n0639980002;"a;b"\r\n0639980003;x'
    assert scrubbed(table.encode(encoding)).decode(encoding) == (
        "Tél;Nom;decision;code;since\r\n"
        "0639980001;Zoé;block;opted_out;\r\n"
        '0639980002;"a;b";block;opted_out;\r\n'
        "0639980003;x;block;opted_out;"
    )


def test_a_file_without_header_gets_none() -> None:
    assert scrubbed(b"0639980001\n0639980002\n") == (
        b"0639980001,block,opted_out,\n0639980002,block,opted_out,\n"
    )


def test_objects_get_members() -> None:
    assert scrubbed(b'{"phone": "0639980001" }\r\n{"phone": 1, "name": "=x"}\n{}') == (
        b'{"phone": "0639980001" , "decision": "block", "code": "opted_out", "since": null}\r\n'
        b'{"phone": 1, "name": "=x", "decision": "block", "code": "opted_out", "since": null}\n'
        b'{"decision": "block", "code": "opted_out", "since": null}'
    )


def test_a_workbook_becomes_a_csv_file_that_spreadsheets_open() -> None:
    sheet = workbook([["Téléphone", "Note"], [639980001.0, "=1+1"], ["0639980002", "a, b"]])
    assert scrubbed(sheet).decode("utf-8-sig") == (
        "Téléphone,Note,decision,code,since\r\n"
        "639980001,'=1+1,block,opted_out,\r\n"
        '0639980002,"a, b",block,opted_out,\r\n'
    )


def test_what_is_broken_in_a_row_stays_so_to_the_byte() -> None:
    data = b"phone;name\n0639980001;Zo\xe9 \xff\n0639980002;caf\xc3\xa9 \xc3\xa9 \xc3\xa9\n"
    assert scrubbed(data).replace(b";block;opted_out;", b"") == data.replace(
        b"name", b"name;decision;code;since"
    )


@pytest.mark.parametrize(
    ("cell", "guarded"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("-", "'-"),
        ("+", "'+"),
        ('"=1+1"', '"\'=1+1"'),
        ('"\t=1"', '"\'\t=1"'),
        ('"\r=1"', '"\'\r=1"'),
        ('"=HYPERLINK(""http://example.com"";1)"', '"\'=HYPERLINK(""http://example.com"";1)"'),
        ('"-1;=1"', '"\'-1;=1"'),
        ('"-1"""', '"\'-1"""'),
        ('"-1"x', '"\'-1"x'),
        ("-12,5", "-12,5"),
        ("-1.5E+10", "-1.5E+10"),
        ("+33 6 39 98 00 01", "+33 6 39 98 00 01"),
        ("+33(0)6-39.98", "+33(0)6-39.98"),
        ('"+33 6 39 98 00 01"', '"+33 6 39 98 00 01"'),
        ("a=1", "a=1"),
        ('"a\n=1"', '"a\n=1"'),
        ("'=1", "'=1"),
        (" =1", " =1"),
        ("", ""),
    ],
)
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(cell: str, guarded: str) -> None:
    layout = Layout(None, "csv", "utf-8", b"", ";", '"', "\n", None, "")
    for row in ("{0};x\n", "x;{0}\n", "x;{0};y\r\n", "{0}", "x;{0}"):
        raws = [row.format(cell)]
        assert list(Result(layout, ()).all_guarded(raws)) == [row.format(guarded)]


def test_the_header_is_guarded_too_and_a_number_a_line() -> None:
    assert scrubbed(b"phone;=name\n0639980001;x\n").startswith(b"phone;'=name;decision;code;since")
    assert scrubbed(b"0639980001\n=1,2\n") == (
        b"0639980001,block,opted_out,\n'=1,2,block,opted_out,\n"
    )


def test_a_tab_that_parts_cells_is_no_formula() -> None:
    data = b"phone\tname\n0639980001\t\t\n\t=1\tx\n"
    layout = read_layout(io.BytesIO(data))
    raws = [row.raw for row in read(data)[1]]
    assert list(Result(layout, NAMES).all_guarded(raws)) == ["0639980001\t\t\n", "\t'=1\tx\n"]
