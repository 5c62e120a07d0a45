"""The routes of reports: one database, or all of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from fastapi import Query, Request
from pydantic import Field, model_validator

from app.journal import Result, Silence
from app.parties import Caller, RegisteredDatabase, list_databases, requires
from app.platform.clock import now
from app.platform.db import database_of
from app.platform.openapi import responses
from app.platform.web import router
from app.platform.wire import Answer, Instant, Slug, WireModel

from .databases import find_for
from .reports import RangeTooWide, measure

reports = router("/v1/report", "databases")
database_reports = router("/v1/databases", "databases")

Reader = Annotated[Caller, requires("parties:read")]
_LONGEST = timedelta(days=366)
_USUAL = timedelta(days=30)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
"""No month lies before the year 1."""


class ReportQuery(WireModel):
    """Which entries: those recorded at or after `from` and before `to`."""

    begin: Instant | None = Field(
        None, alias="from", description="Left out: 30 days before `to`; at most 366 days before it"
    )
    end: Instant | None = Field(None, alias="to", description="Left out: now")

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        begin, end = self.between(now())
        if begin >= end:
            raise ValueError("from must lie before to")
        if end - begin > _LONGEST:
            raise ValueError("from and to may be 366 days apart")
        return self

    def between(self, at: datetime) -> tuple[datetime, datetime]:
        """Tell both times, as of a moment."""
        end = self.end or at
        return self.begin or max(end, _EARLIEST + _USUAL) - _USUAL, end


class EntriesOut(Answer):
    """Entries told and what was said of them; over all databases, each counts at each database."""

    told: int = Field(description="Entries that concern it, acknowledged by now or not yet")
    acknowledged: int = Field(description="On either lane, at whatever time")
    applied: int
    already: int
    not_found: int
    exempt: int
    failed: int


class SecondsOut(Answer):
    """Seconds from an entry's recording to its first acknowledgement, by the last database.

    Of the `suppression.added` that each database which they concern has acknowledged.
    Percentiles have three significant digits; all are null where there is no entry.
    """

    entries: int = Field(description="How many these are")
    p50: float | None
    p95: float | None
    p99: float | None
    worst: float | None


class ReportOut(Answer):
    """What databases were told, what they did with it, and how long people waited."""

    database: Slug | None = Field(description="Null: all")
    databases: int = Field(description="How many databases this is about")
    begin: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    entries: EntriesOut
    contacts_cancelled: int
    time_to_silence_seconds: SecondsOut

    @classmethod
    def of(
        cls, database: str | None, databases: int, begin: datetime, end: datetime, found: Silence
    ) -> Self:
        """Show a report."""
        counts = {one.word: found.outcomes.get(one, 0) for one in Result}
        return cls.model_validate(
            {
                "database": database,
                "databases": databases,
                "from": begin,
                "to": end,
                "entries": {"told": found.told, "acknowledged": found.acknowledged, **counts},
                "contacts_cancelled": found.contacts_cancelled,
                "time_to_silence_seconds": {
                    "entries": sum(found.seconds.values()),
                    **{f"p{percent}": found.percentile(percent) for percent in (50, 95, 99)},
                    "worst": found.worst,
                },
            }
        )


@database_reports.get("/{slug}/report", responses=responses(RangeTooWide))
async def report_on_database(
    request: Request, slug: Slug, query: Annotated[ReportQuery, Query()], caller: Reader
) -> ReportOut:
    """Report what one database was told, what it did with it, and how long it took.

    Counted are the entries recorded from `from` to before `to` that concern it, since it was
    registered. What it acknowledged first counts: a replay changes nothing.
    """
    async with database_of(request).reading() as session:
        database = await find_for(session, slug, caller)
    return await _report(request, query, slug, [database])


@reports.get("", responses=responses(RangeTooWide))
async def report_on_all(
    request: Request, query: Annotated[ReportQuery, Query()], caller: Reader
) -> ReportOut:
    """Report the same over all databases; an entry is silent when the last one has applied it.

    A key that is bound to a database is told of that one alone.
    """
    async with database_of(request).reading() as session:
        databases = await list_databases(session)
    seen = [one for one in databases if caller.database in (None, one.id)]
    return await _report(request, query, None, seen)


async def _report(
    request: Request,
    query: ReportQuery,
    slug: str | None,
    databases: list[RegisteredDatabase],
) -> ReportOut:
    begin, end = query.between(now())
    found = await measure(database_of(request), databases, begin, end)
    return ReportOut.of(slug, len(databases), begin, end, found)
