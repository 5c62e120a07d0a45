"""Hours of contact: when a window is open at some place, and when it opens next."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .packs import DAY, Hours

Span = tuple[datetime, datetime]
"""From a moment on, and before another; in UTC."""

if TYPE_CHECKING:
    from holidays import HolidayBase

_FURTHEST = 40
"""Days ahead in which any window opens: holidays in a row are few."""


_LANGUAGES = {"fr": "fr", "en": "en_US"}


@lru_cache(maxsize=4096)
def holiday_name(country: str, on: date, language: str = "fr") -> str | None:
    """Name the public holiday of a country on a day, None if it is none."""
    name: str | None = _holidays(country, on.year, language).get(on)
    return name


@lru_cache(maxsize=128)
def _holidays(country: str, year: int, language: str) -> "HolidayBase":
    # Half a second and 40 MB, which nobody pays who does not ask for the law.
    import holidays  # noqa: PLC0415

    spoken = holidays.country_holidays(country).supported_languages
    wanted = _LANGUAGES[language]
    return holidays.country_holidays(
        country, years=year, language=wanted if wanted in spoken else None
    )


def has_holidays(country: str) -> bool:
    """Tell whether the public holidays of a country are known."""
    try:
        _holidays(country, _SOME_YEAR, "en")
    except NotImplementedError:
        return False
    return True


_SOME_YEAR = 2026


def local_date(at: datetime, zone: str) -> date:
    """Tell the civil day at a place."""
    return at.astimezone(ZoneInfo(zone)).date()


def midnight(on: date, zone: str) -> datetime:
    """Tell when a civil day begins at a place."""
    return _instant(on, 0, zone, opening=True)


@lru_cache(maxsize=4096)
def _instant(on: date, minutes: int, zone: str, *, opening: bool) -> datetime:
    """Tell when clocks show a time; of two moments the one that makes hours shorter."""
    local = datetime.combine(on, time()) + timedelta(minutes=minutes)
    # A clock put back shows a time twice, one put forward never shows it.
    both = [local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
    return max(both) if opening else min(both)


def spans_of(hours: Sequence[Hours], on: date, zone: str) -> tuple[Span, ...]:
    """List the spans of a civil day in which all of some hours are open.

    Of hours that are not in force on that day none counts; if none is, the whole day is open.
    """
    return _spans(tuple(one for one in hours if one.holds(on)), on, zone)


@lru_cache(maxsize=4096)
def _spans(hours: tuple[Hours, ...], on: date, zone: str) -> tuple[Span, ...]:
    open_minutes = [(0, 24 * 60)]
    for one in hours:
        shut = on.weekday() not in one.days or (
            one.holidays is not None and holiday_name(one.holidays, on) is not None
        )
        open_minutes = [] if shut else list(_common(open_minutes, one.open))
    spans = (
        (_instant(on, first, zone, opening=True), _instant(on, upto, zone, opening=False))
        for first, upto in open_minutes
    )
    return tuple(span for span in spans if span[0] < span[1])


def _common(
    some: Iterable[tuple[int, int]], others: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    for first, upto in some:
        for other_first, other_upto in others:
            if max(first, other_first) < min(upto, other_upto):
                yield max(first, other_first), min(upto, other_upto)


def closing(hours: Sequence[Hours], at: datetime, zone: str) -> datetime | None:
    """Tell until when it stays open, None if it is shut; a day that goes on is not looked at."""
    for first, upto in spans_of(hours, local_date(at, zone), zone):
        if first <= at < upto:
            return upto
    return None


def opening(hours: Sequence[Hours], at: datetime, zone: str) -> datetime | None:
    """Find the first moment from ``at`` on at which it is open; None if there is none soon."""
    on = local_date(at, zone)
    for _ in range(_FURTHEST):
        for first, upto in spans_of(hours, on, zone):
            if at < upto:
                return max(at, first)
        on += DAY
    return None


def working_days_after(on: date, count: int, country: str) -> date:
    """Find the day that is so many working days (Monday to Friday, no holiday) after another."""
    friday = 4
    while count:
        on += DAY
        if on.weekday() <= friday and holiday_name(country, on) is None:
            count -= 1
    return on
