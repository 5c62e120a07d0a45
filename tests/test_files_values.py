"""Dates and numbers as spreadsheets and people write them: read for certain, or refused by name."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.files import BadValue, DateOrder, clean, find_order, phone_text, plain_text, read_date
from app.identifiers import normalise
from app.journal import Kind

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
DAY, MONTH = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST


def date_of(text: str, order: DateOrder | None = None) -> str:
    """Read a date to the second, or name what is wrong with it."""
    try:
        return f"{read_date(text, zone=PARIS, now=NOW, order=order):%Y-%m-%d %H:%M:%S}"
    except BadValue as bad:
        return bad.code


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T10:00:00Z", "2026-01-31 10:00:00"),
        ("2026-01-31T10:00:00.123+02:00", "2026-01-31 08:00:00"),
        ("2026-01-31 10:00:00", "2026-01-31 09:00:00"),
        ("2026-01-31 10:00:00 UTC", "2026-01-31 10:00:00"),
        ("2026-01-31 10:00:00 +0200", "2026-01-31 08:00:00"),
        ("2026-01-31", "2026-01-31 22:59:59"),
        ("2025-07-31", "2025-07-31 21:59:59"),
        ("20260131", "2026-01-31 22:59:59"),
        ("2026/01/31 10:00", "2026-01-31 09:00:00"),
        ("1700000000", "2023-11-14 22:13:20"),
        ("1700000000.5", "2023-11-14 22:13:20"),
        ("1700000000000", "2023-11-14 22:13:20"),
        ("31/01/2026", "2026-01-31 22:59:59"),
        ("1/31/2026", "2026-01-31 22:59:59"),
        ("31-01-2026 10h05", "2026-01-31 09:05:00"),
        ("03.01.2026", "2026-01-03 22:59:59"),
        ("31/01/26", "2026-01-31 22:59:59"),
        ("01/31/2026 02:05:06 PM", "2026-01-31 13:05:06"),
        ("01/31/2026, 12:05 a.m.", "2026-01-30 23:05:00"),
        ("02/02/2026", "2026-02-02 22:59:59"),
        ("Tue, 07 Jan 2025 19:25:45 UTC", "2025-01-07 19:25:45"),
        (' ="31/01/2026" ', "2026-01-31 22:59:59"),
        ("2026-03-15", "2026-03-15 12:00:00"),
        ("2026-03-15T12:04:00Z", "2026-03-15 12:00:00"),
        ("03/04/2026", "ambiguous_date"),
        ("3-4-26 10:00", "ambiguous_date"),
        ("2026-03-15T12:06:00Z", "date_in_future"),
        ("2026-03-16", "date_in_future"),
        ("9999-12-31", "date_in_future"),
        ("31/02/2026", "unreadable_date"),
        ("13/13/2026", "unreadable_date"),
        ("31/01/2026 25:00", "unreadable_date"),
        ("Mon, 01 Jan 0001 00:00:00 UTC", "unreadable_date"),
        ("0001-01-01", "unreadable_date"),
        ("45322", "unreadable_date"),
        ("0", "unreadable_date"),
        ("", "unreadable_date"),
        ("yesterday", "unreadable_date"),
        ("9" * 100_000, "unreadable_date"),
        ("\u0661\u0667" + "\u0660" * 8, "unreadable_date"),
    ],
)
def test_a_date_is_read_or_refused_by_name(text: str, moment: str) -> None:
    assert date_of(text) == moment


def test_a_column_decides_as_a_whole_which_number_is_the_day() -> None:
    assert find_order(["03/04/2026", "31/01/2026"]) is DAY
    assert find_order(["03/04/2026", "01/31/2026", "x"]) is MONTH
    assert find_order(["03/04/2026", "2026-01-31"]) is None
    assert find_order(["31/01/2026", "01/31/2026"]) is None
    assert date_of("03/01/2026", DAY) == "2026-01-03 22:59:59"
    assert date_of("03/01/2026", MONTH) == "2026-03-01 22:59:59"
    assert date_of("01/31/2026", DAY) == "ambiguous_date"
    assert date_of("2026-01-31", MONTH) == "2026-01-31 22:59:59"


def test_a_date_without_a_time_is_the_end_of_that_day_also_when_clocks_change() -> None:
    end = read_date("29/03/2025", zone=PARIS, now=NOW)
    assert end == datetime(2025, 3, 29, 23, tzinfo=UTC) - timedelta(microseconds=1)
    end = read_date("30/03/2025", zone=PARIS, now=NOW)
    assert end == datetime(2025, 3, 30, 22, tzinfo=UTC) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    "cell",
    [
        "0639980001",
        "639980001",
        "639980001.0",
        "639980001,00",
        '="0639980001"',
        "'0639980001",
        " 06\u00a039\u202f98 00 01\t",
        "\ufeff+33 6 39 98 00 01",
        "33639980001",
        "33639980001.0",
        "0033639980001",
        "06 39 98 00 01".encode("cp1252").replace(b" ", b"\xa0").decode("utf-8", "surrogateescape"),
    ],
)
def test_a_number_is_understood_as_spreadsheets_leave_it(cell: str) -> None:
    assert normalise(Kind.PHONE, phone_text(cell), region="FR").value == "+33639980001"


@pytest.mark.parametrize("cell", ["3,36123E+10", "3.36123E+10", "6E8", '="3,36e10"', "+3,3E+10"])
def test_a_number_in_scientific_notation_is_refused_by_name(cell: str) -> None:
    with pytest.raises(BadValue, match=r"^scientific_notation$"):
        phone_text(cell)


def test_an_area_code_stands_before_its_number() -> None:
    number = phone_text("555-0123", area_code=" 202 ")
    assert normalise(Kind.PHONE, number, region="US").value == "+12025550123"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("  a b  ", "a b"),
        ("'a", "a"),
        ("O'Neill", "O'Neill"),
        ('="a"', "a"),
        ("=1+1", "=1+1"),
        ("", ""),
        ("Zo\udce9", "Zoé"),
        ("Zoé \udce9", "Zoé é"),
        ("Zo\udc81", "Zo\udc81"),
        ("\u202a+33639980001\u202c", "+33639980001"),
    ],
)
def test_what_stands_around_a_value_is_taken_off(cell: str, value: str) -> None:
    assert clean(cell) == value


@pytest.mark.parametrize("cell", ["a\0b", "a\x1bb", "Zo\udc81", "\ud800"])
def test_what_is_no_text_is_not_kept(cell: str) -> None:
    with pytest.raises(BadValue, match=r"^not_text$"):
        plain_text(cell)
    assert plain_text(" two\nlines ") == "two\nlines"


def test_a_refusal_never_holds_the_cell() -> None:
    with pytest.raises(BadValue) as refused:
        phone_text("3,36123E+10")
    assert "36123" not in f"{refused.value!r}{refused.value}"
