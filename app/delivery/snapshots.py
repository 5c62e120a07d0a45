"""The snapshot: what is suppressed now, as a database is shown it, in pages of short transactions.

Entries are whole states with a version, so that a page read later may be newer than one read
before: together with the journal from the cursor, which is taken first, it converges. One long
transaction instead would pin every old version of the journal's head.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pydantic_core
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import EVERY_BRAND, FollowerState, Scope, cursor_at, read_head
from app.parties import Directory
from app.platform.db import Database
from app.platform.wire import wire_time
from app.points import OpenedPoint, PointKeys, erased_points, open_points
from app.registry import State, page_states, read_states

from .endpoints import find_endpoint
from .feed import read_follower
from .rendering import Form, brand_slugs

SnapshotFormat = Literal["ndjson", "csv"]
_PAGE = 2_000
_COLUMNS = ("kind", "value", "brand", "media", "version", "position", "since")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is about to be read: where the journal goes on from, and what it leaves out.

    ``erased`` counts contact points and brands that are suppressed and can be told no more.
    """

    cursor: str
    erased: int
    follower: FollowerState
    form: Form


async def begin_snapshot(database: Database, keys: PointKeys, follower: int) -> Snapshot:
    """Take the cursor from which the journal goes on.

    Raises:
        NotFound: the database was deleted.
    """
    async with database.reading() as session:
        state = await read_follower(session, follower)
        endpoint = await find_endpoint(session, keys.vault, follower)
        head = await read_head(session)
        cursor = await cursor_at(session, head, state.generation, head.position)
        erased = await _count_erased(session, state.scope)
    form = Form(endpoint.way.identifier_format, endpoint.identifier_key)
    return Snapshot(str(cursor), erased, state, form)


async def stream_snapshot(
    database: Database,
    keys: PointKeys,
    directory: Directory,
    snapshot: Snapshot,
    written_as: SnapshotFormat,
) -> AsyncIterator[bytes]:
    """Write the present list, page by page; memory stays that of one page."""
    if written_as == "csv":
        yield _csv_lines([_COLUMNS])
    after = (0, EVERY_BRAND - 1)
    while True:
        async with database.reading() as session:
            states = await page_states(session, after=after, most=_PAGE)
            points = await open_points(session, keys, {state.point for state in states})
        if not states:
            return
        after = (states[-1].point, states[-1].brand)
        brands = await brand_slugs(directory, {state.brand for state in states})
        shown = [
            (state, points[state.point])
            for state in states
            if _concerns(snapshot.follower.scope, state, points[state.point])
            and points[state.point].identifier is not None
        ]
        lines = [_line(snapshot, state, point, brands[state.brand]) for state, point in shown]
        yield _csv_lines(map(_cells, lines)) if written_as == "csv" else _json_lines(lines)


async def _count_erased(session: AsyncSession, scope: Scope) -> int:
    count = 0
    async for points in erased_points(session):
        by_id = {point.id: point for point in points}
        states = await read_states(session, by_id)
        count += sum(_concerns(scope, state, by_id[state.point]) for state in states)
    return count


def _concerns(scope: Scope, state: State, point: OpenedPoint) -> bool:
    return (
        bool(state.media & scope.media)
        and point.kind in scope.kinds
        and (scope.brands is None or state.brand in (EVERY_BRAND, *scope.brands))
    )


def _line(
    snapshot: Snapshot, state: State, point: OpenedPoint, brand: str | None
) -> dict[str, Any]:
    return {
        "identifier": snapshot.form.show(point)._asdict(),
        "brand": brand,
        "media": (state.media & snapshot.follower.scope.media).words,
        "version": state.version,
        "position": state.position,
        "since": None if state.since is None else wire_time(state.since),
    }


def _cells(line: dict[str, Any]) -> tuple[Any, ...]:
    identifier = line["identifier"]
    return (
        identifier["kind"],
        identifier["value"],
        line["brand"],
        "|".join(line["media"]),
        line["version"],
        line["position"],
        line["since"],
    )


def _json_lines(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(pydantic_core.to_json(line) + b"\n" for line in lines)


def _csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    # Never altered for spreadsheets: it is for programs.
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()
