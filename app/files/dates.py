"""Dates as files hold them, in whatever form: read for certain, or refused by name.

03/04/2026 is April to some and March to others. A column may decide as a whole, because another of
its rows has a 13th day; where it does not, such a row is refused.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from .values import BadValue, clean

_LONGEST = 64
_AHEAD = timedelta(minutes=5)
"""How far a clock may be ahead of ours."""
_FIRST = datetime(1990, 1, 1, tzinfo=UTC)
"""Before it nobody objected; what is older is a default of some program."""
_MONTHS = 12
_CENTURY = 100

_SECONDS = re.compile(r"[0-9]{9,10}(?:\.[0-9]+)?")
_MILLISECONDS = re.compile(r"[0-9]{13}")
_PARTED = re.compile(r"([0-9]{1,2})([/.\-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?:[ T,]+(\S.*))?")
_YEAR_FIRST = re.compile(r"([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})(?:[ T,]+(\S.*))?")
_TIME = re.compile(
    r"([0-9]{1,2})[:h]([0-9]{2})(?:[:m]([0-9]{2})(?:[.,][0-9]+)?)?s?\s*([ap]\.?m\.?)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"\s+(?:UTC|GMT|Z)\Z")
_SPACED_OFFSET = re.compile(r"\s+([+-][0-9]{2}:?[0-9]{2})\Z")
_NOON = 12


class DateOrder(StrEnum):
    """Which of two numbers before a year is the day."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"


def find_order(cells: Iterable[str]) -> DateOrder | None:
    """Tell by some rows of a column how it writes dates; None if they do not say, or disagree."""
    found = {_order(match) for cell in cells if (match := _PARTED.fullmatch(clean(cell)))}
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def read_date(
    cell: str, *, zone: ZoneInfo, now: datetime, order: DateOrder | None = None
) -> datetime:
    """Read when something was said, in UTC and never after ``now``.

    It takes ISO 8601 and RFC 3339, RFC 2822, Unix seconds and milliseconds, and day, month and year
    with slashes, dots or hyphens. A time without an offset is one of ``zone``; a date without a
    time is the end of that day there.

    Raises:
        BadValue: ``unreadable_date``, ``ambiguous_date``, or ``date_in_future``.
    """
    text = clean(cell)
    try:
        moment, is_day = _moment(text, zone, order) if len(text) <= _LONGEST else (None, False)
        if moment is None or moment < _FIRST:
            raise BadValue("unreadable_date")
        if moment > now + _AHEAD:
            raise BadValue("date_in_future")
        return min(_end_of(moment, zone) if is_day else moment, now).astimezone(UTC)
    except OverflowError:
        raise BadValue("unreadable_date") from None


def _moment(text: str, zone: ZoneInfo, order: DateOrder | None) -> tuple[datetime | None, bool]:
    """Read a moment, or a day as its beginning; tell which."""
    if _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC), False
    if _MILLISECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1_000, UTC), False
    found = _by_numbers(text, order) or _iso(text) or _mail(text)
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=zone)), False
    if found is None:
        return None, False
    return datetime.combine(found, time.min, zone), True


def _end_of(day: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(day.date() + timedelta(days=1), time.min, zone).astimezone(
        UTC
    ) - timedelta(microseconds=1)


def _by_numbers(text: str, order: DateOrder | None) -> date | None:
    if match := _YEAR_FIRST.fullmatch(text):
        return _day(int(match[1]), int(match[2]), int(match[3]), match[4])
    if not (match := _PARTED.fullmatch(text)):
        return None
    told = _order(match)
    first, second = int(match[1]), int(match[3])
    if told and order and told is not order and match[2] != ".":
        raise BadValue("ambiguous_date")
    if not (told or order) and first != second:
        raise BadValue("ambiguous_date")
    if (told or order) is DateOrder.MONTH_FIRST:
        first, second = second, first
    return _day(_year(match[4]), second, first, match[5])


def _order(match: re.Match[str]) -> DateOrder | None:
    """Tell the order from one date alone."""
    first, second = int(match[1]), int(match[3])
    if match[2] == "." or (first > _MONTHS and second <= _MONTHS):
        return DateOrder.DAY_FIRST
    return DateOrder.MONTH_FIRST if second > _MONTHS >= first else None


def _year(text: str) -> int:
    year = int(text)
    return year if year >= _CENTURY else 2000 + year


def _day(year: int, month: int, day: int, rest: str | None) -> date | None:
    try:
        found = date(year, month, day)
        return datetime.combine(found, _time(rest)) if rest else found
    except ValueError:
        return None


def _time(text: str) -> time:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError("no time")
    hour = int(match[1])
    if match[4]:
        hour = hour % _NOON + (_NOON if match[4][0] in "pP" else 0)
    return time(hour, int(match[2]), int(match[3] or 0))


def _iso(text: str) -> date | None:
    text = _SPACED_OFFSET.sub(r"\1", _OFFSET.sub("+00:00", text))
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mail(text: str) -> date | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, AttributeError):
        return None
    # The year 1, by which Go writes that it knows none, would be read as 2001.
    return found if str(found.year) in text else None
