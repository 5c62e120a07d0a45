"""The rules in force on a day, in plain words, what changes next; and a year of allowed hours."""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Request, Response

from app.accounts import Visit
from app.platform.clock import now
from app.policy import (
    Chapter,
    Hours,
    Pack,
    Rule,
    closing,
    holiday_name,
    opening,
    spans_of,
    zones_of,
)

from .doors import signed_in
from .lawful import law_in_force
from .pages import page, pages, words_for

rules = pages("/rules")

Signed = Annotated[Visit, signed_in()]

_KINDS = ("prohibit", "review", "constrain", "permit", "oblige")
_YEARS = range(2016, 2041)
_FIRST, _LAST = date(2000, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that begins or ends on the day of the next change."""

    sentence: str
    begins: bool


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar; ``holiday`` is its name where it is one."""

    on: date
    open: bool
    holiday: str | None


@rules.get("")
async def show_rules(request: Request, _visit: Signed) -> Response:
    """Show the rules of a country on a day, by what they do, with their sources."""
    law, words = await law_in_force(request), words_for(request)
    country = _country(request)
    on = _day(request) or now().astimezone(words.zone).date()
    chapter = law.chapter(country, on)
    packs = law.packs_of(country)
    in_force = [rule for pack in packs for rule in pack.rules if rule.holds(on)]
    return await page(
        request,
        "rules.html",
        country=country,
        countries=sorted(law.countries),
        on=on,
        chapter=chapter,
        kinds=[(kind, [one for one in in_force if one.kind == kind]) for kind in _KINDS],
        said={rule.id: _said(rule, words.language) for rule in in_force},
        changes=[] if chapter is None else _changes(packs, chapter, words.language),
    )


@rules.get("/hours")
async def show_hours(request: Request, _visit: Signed) -> Response:
    """Show on which days and at what hours a consumer of a country may be called."""
    law, words, at = await law_in_force(request), words_for(request), now()
    country, zone = _country(request), zones_of(_country(request))[0]
    today = at.astimezone(ZoneInfo(zone)).date()
    asked = request.query_params.get("year", "")
    year = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else today.year  # noqa: PLR2004 - of digits
    year = year if year in _YEARS else today.year
    chapter = law.chapter(country, today)
    hours = () if chapter is None else chapter.hours("call_window")
    return await page(
        request,
        "hours.html",
        country=country,
        countries=sorted(law.countries),
        zone=zone,
        year=year,
        years=[one for one in (year - 1, year + 1) if one in _YEARS],
        today=today,
        in_force=[one for one in hours if one.holds(today)],
        months=list(_months(hours, year, zone, words.language)) if hours else [],
        open_until=_local(closing(hours, at, zone), zone) if hours else None,
        opens_at=_local(opening(hours, at, zone), zone) if hours else None,
    )


def _country(request: Request) -> str:
    asked = request.query_params.get("country", "")
    is_code = len(asked) == 2 and asked.isascii() and asked.isalpha()  # noqa: PLR2004 - ISO 3166-1
    return asked.upper() if is_code else str(request.app.state.settings.default_region)


def _day(request: Request) -> date | None:
    try:
        on = date.fromisoformat(request.query_params.get("on", ""))
    except ValueError:
        return None
    return on if _FIRST <= on < _LAST else None


def _said(rule: Rule, language: str) -> str:
    return rule.french if language == "fr" else rule.english


def _changes(packs: Sequence[Pack], chapter: Chapter, language: str) -> list[Change]:
    """List what begins and what ends on the day on which the law changes next."""
    rules_of = [rule for pack in packs for rule in pack.rules]
    ending = [rule for rule in rules_of if chapter.ends and rule.ends == chapter.ends]
    beginning = [rule for rule in rules_of if chapter.ends and rule.starts == chapter.ends]
    return [Change(_said(rule, language), begins=True) for rule in beginning] + [
        Change(_said(rule, language), begins=False) for rule in ending
    ]


def _months(
    hours: Sequence[Hours], year: int, zone: str, language: str
) -> Iterable[tuple[int, list[list[Day | None]]]]:
    """Lay a year out in months of weeks; the places of other months' days are empty."""
    shut_on = next((one.holidays for one in hours if one.holidays), None)

    def day(on: date) -> Day:
        holiday = holiday_name(shut_on, on, language) if shut_on else None
        return Day(on, bool(spans_of(hours, on, zone)), holiday)

    for month in range(1, 13):
        weeks = calendar.Calendar().monthdatescalendar(year, month)
        yield month, [[day(on) if on.month == month else None for on in week] for week in weeks]


def _local(at: datetime | None, zone: str) -> datetime | None:
    return None if at is None else at.astimezone(ZoneInfo(zone))
