"""The overview: what came in, whether everybody has been told, and if not, who and why."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Request, Response

from app.accounts import Role, Visit
from app.intake import Arrivals, Day, waiting_complaints
from app.journal import read_head, sampled_of
from app.parties import list_channels, list_parties
from app.platform.clock import now
from app.platform.db import database_of
from app.points import ThePointKeys

from .doors import browser_of, signed_in
from .map import draw
from .pages import fill, go, page, pages, words_for
from .plots import Bars, bars, spans
from .registered import Row, read_rows
from .words import Words

overview = pages("/overview")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]

_DAYS = 14
_SERIES = 4
"""Series of their own in the plot; what is less frequent is piled up as others."""
_SLOWEST = 8
_TROUBLED = 12
_COMPLAINTS = 6
_EVERYTHING = 10_000

Key = TypeVar("Key", bound=int)


@dataclass(frozen=True, slots=True)
class Now:
    """How everybody stands at this moment."""

    rows: Sequence[Row]

    @property
    def troubled(self) -> list[Row]:
        """List those that somebody must look at, the worst first."""
        return [row for row in self.rows if row.word != "current"]

    @property
    def failing(self) -> int:
        """Count those that fail or are gone."""
        return sum(row.word in ("failing", "gone") for row in self.rows)

    @property
    def shown(self) -> list[Row]:
        """List as many of them as fit the page."""
        return self.troubled[:_TROUBLED]

    @property
    def oldest(self) -> Row | None:
        """Find the one that owes something for the longest time."""
        owing = [row for row in self.rows if row.standing.lag_entries]
        return max(owing, key=lambda row: row.standing.lag_seconds, default=None)

    @property
    def slowest(self) -> list[Row]:
        """List those that took longest lately."""
        known = [row for row in self.rows if row.spread is not None]
        return sorted(known, key=lambda row: -row.spread.p99 if row.spread else 0)[:_SLOWEST]

    @property
    def p99(self) -> float | None:
        """Tell the longest 99th percentile of any of them."""
        return max((row.spread.p99 for row in self.rows if row.spread), default=None)

    @property
    def p50(self) -> float | None:
        """Tell the longest median of any of them."""
        return max((row.spread.p50 for row in self.rows if row.spread), default=None)


@overview.get("")
async def show_overview(request: Request, visit: Officer, keys: ThePointKeys) -> Response:
    """Show what came in, how fast it was told, and who has not been told."""
    at, arrivals = now(), _arrivals_of(request)
    by = "reason" if request.query_params.get("by") == "reason" else "channel"
    async with database_of(request).reading() as session:
        state = Now(await read_rows(session, keys.vault, at=at))
        days = await arrivals.days(session, last=_DAYS, at=at)
        heard = await list_channels(session, limit=_EVERYTHING)
        parties = {one.slug: one for one in await list_parties(session, limit=_EVERYTHING)}
        complaints = await waiting_complaints(
            session, keys, request.app.state.settings.time_zone, limit=_COMPLAINTS + 1
        )
        head = (await read_head(session)).position
    if not parties and visit.user.role >= Role.ADMIN:
        return go(request, "/first-steps")
    today, channels = days[-1], {one.id: one.name for one in heard}
    return await page(
        request,
        "overview.html",
        now=state,
        channel_names=channels,
        today=today.total,
        today_by=[
            (channels[channel], count) for channel, count in today.by_channel().most_common(3)
        ],
        by=by,
        plot=_plot(days, by, channels, words_for(request)),
        slow=spans({row.name: row.spread for row in state.slowest if row.spread}),
        slowest=state.slowest,
        sampled=sampled_of(len(state.rows)),
        map=draw(heard, state.rows, parties, head),
        complaints=complaints[:_COMPLAINTS],
        more_complaints=len(complaints) > _COMPLAINTS,
        on=at.astimezone(request.app.state.settings.time_zone).date(),
    )


@overview.get("/map.svg")
async def save_map(request: Request, visit: Officer, keys: ThePointKeys) -> Response:
    """Give the map as a picture of its own."""
    del visit
    async with database_of(request).reading() as session:
        rows = await read_rows(session, keys.vault, at=now())
        heard = await list_channels(session, limit=_EVERYTHING)
        parties = {one.slug: one for one in await list_parties(session, limit=_EVERYTHING)}
        head = (await read_head(session)).position
    drawn = draw(heard, rows, parties, head)
    picture = fill(request, await browser_of(request), "map_alone.html", map=drawn).strip()
    return Response(
        picture,
        media_type="image/svg+xml",
        headers={"Content-Disposition": 'attachment; filename="optout-map.svg"'},
    )


@overview.get("/now")
async def show_now(request: Request, visit: Officer, keys: ThePointKeys) -> Response:
    """Show the part of the page that is asked for again and again."""
    del visit
    async with database_of(request).reading() as session:
        rows = await read_rows(session, keys.vault, at=now())
    return await page(request, "overview_now.html", now=Now(rows))


def _plot(days: Sequence[Day], by: str, channels: dict[int, str], t: Words) -> Bars:
    """Pile up each day by channel or by reason, the most frequent first, the rest as others."""
    if by == "reason":
        return _piled(
            [day.by_reason() for day in days], days, lambda key: t(f"reason.{key.word}"), t
        )
    return _piled([day.by_channel() for day in days], days, lambda key: channels[key], t)


def _piled(
    counted: Sequence[Counter[Key]], days: Sequence[Day], name: Callable[[Key], str], t: Words
) -> Bars:
    in_all: Counter[Key] = Counter()
    for counts in counted:
        in_all.update(counts)
    first = [key for key, _ in in_all.most_common(_SERIES)]
    names = [name(key) for key in first]
    rest = len(in_all) > len(first)
    piles = [
        (
            day.on,
            [counts[key] for key in first]
            + ([counts.total() - sum(counts[key] for key in first)] if rest else []),
        )
        for day, counts in zip(days, counted, strict=True)
    ]
    return bars([*names, t("overview.others")] if rest else names, piles)


def _arrivals_of(request: Request) -> Arrivals:
    arrivals = request.app.state.arrivals
    if not isinstance(arrivals, Arrivals):
        raise TypeError("the app was started without its arrivals")
    return arrivals
