"""Laying the grounds of a file: many contact points at a time, told once, on the bulk lane.

A row whose ground stands already is not told again. It is kept as evidence all the same, unless
the ground is of the very same file: else voiding one record would let a person go whom another
one holds too.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import MEDIA_SETS, Change, Lane, Media, Reason
from app.platform.arrays import alike, unnested
from app.points import Point

from .suppressions import Cause, State, Told, correct_since, read_states, tell


class Listed(NamedTuple):
    """One contact point of a file, with what its row says; ``dated``: the row says when."""

    line: int
    point: Point
    brand: int
    media: Media
    reason: Reason
    occurred_at: datetime
    dated: bool

    @property
    def subject(self) -> tuple[int, int]:
        """What a suppression is about."""
        return self.point.id, self.brand

    @property
    def ground(self) -> tuple[int, int, int, int]:
        """What makes two grounds of a channel the same; as numbers, which hash faster."""
        return self.point.id, self.brand, int(self.media), int(self.reason)


@dataclass(frozen=True, slots=True)
class Source:
    """The record that a file is: ``same`` are the records of the very same bytes, itself too."""

    id: UUID
    channel: int
    recorded_at: datetime
    same: frozenset[UUID]


class _Laid(NamedTuple):
    """A ground as far as it decides whether another one says anything new."""

    occurred_at: datetime
    stands: bool
    same_file: bool


class _Ground(NamedTuple):
    """A ground to be laid; ``lifted`` are media reinstated since it occurred, as bits."""

    listed: Listed
    lifted: int
    standing: int


@dataclass(slots=True)
class Plan:
    """What laying some rows will change: worked out before anything is written.

    ``recorded`` are the lines with a ground that did not stand; all others are unchanged.
    """

    recorded: set[int] = field(default_factory=set)
    told: dict[tuple[int, int], Told] = field(default_factory=dict)
    laid: list[_Ground] = field(default_factory=list)
    kept: list[_Ground] = field(default_factory=list)
    since: dict[tuple[int, int], State] = field(default_factory=dict)

    @property
    def points(self) -> set[int]:
        """The contact points that will be told of."""
        return {point for point, _ in self.told}

    @property
    def listed(self) -> list[Listed]:
        """The rows for which a ground will be laid, told or not."""
        return [ground.listed for ground in (*self.laid, *self.kept)]


_LAID = text("""
SELECT a.n, coalesce((
           SELECT bit_or(r.media) FROM reinstatements r
           WHERE NOT r.narrow AND r.point = a.point AND r.brand IN (0, a.brand)
             AND r.occurred_at > a.occurred_at), 0) AS lifted,
       g.occurred_at, g.opt_out, g.media & ~g.lifted = g.media AS stands
FROM unnest(CAST(:points AS int8[]), CAST(:brands AS int2[]), CAST(:medias AS int2[]),
            CAST(:reasons AS int2[]), CAST(:occurred AS timestamptz[]))
     WITH ORDINALITY AS a (point, brand, media, reason, occurred_at, n)
LEFT JOIN grounds g ON g.point = a.point AND g.brand = a.brand AND g.media = a.media
     AND g.reason = a.reason AND g.channel = :channel AND g.voided_at IS NULL
""")


async def plan(
    session: AsyncSession, source: Source, rows: Sequence[Listed], known: Collection[int]
) -> Plan:
    """Tell what laying some rows will change; only ``known`` contact points are looked up."""
    states = {(one.point, one.brand): one for one in await read_states(session, known)}
    laid: dict[tuple[int, int, int, int], list[_Laid]] = defaultdict(list)
    lifted: dict[int, int] = {}
    old = [n for n, row in enumerate(rows) if row.point.id in known]
    for found in await _look_up(session, source, [rows[n] for n in old]):
        row = old[found.n - 1]
        lifted[row] = found.lifted & int(rows[row].media)
        if found.opt_out is not None:
            same = found.opt_out in source.same
            laid[rows[row].ground].append(_Laid(found.occurred_at, found.stands, same))
    planned = Plan()
    for n, row in enumerate(rows):
        gone = lifted.get(n, 0)
        ground = _Ground(row, gone, int(row.media) & ~gone)
        _plan_row(planned, source, ground, laid, states)
    return planned


def _plan_row(
    planned: Plan,
    source: Source,
    ground: _Ground,
    laid: dict[tuple[int, int, int, int], list[_Laid]],
    states: Mapping[tuple[int, int], State],
) -> None:
    row = ground.listed
    others = laid[row.ground]
    # A ground at or after the row's own time holds all that the row's would hold.
    if any(one.stands or one.occurred_at >= row.occurred_at for one in others):
        if any(
            one.same_file and (one.occurred_at >= row.occurred_at or (one.stands and not row.dated))
            for one in others
        ):
            return
        _keep(planned, ground, states)
    else:
        planned.recorded.add(row.line)
        planned.laid.append(ground)
        _tell(planned, source, ground, states)
    others.append(_Laid(row.occurred_at, not ground.lifted, same_file=True))


def _keep(planned: Plan, ground: _Ground, states: Mapping[tuple[int, int], State]) -> None:
    """Lay a ground that changes nothing, and is not told."""
    subject = ground.listed.subject
    if subject in planned.told:
        planned.laid.append(ground)
        told = planned.told[subject]
        planned.told[subject] = told._replace(after=_joined(told.after, ground))
        return
    planned.kept.append(ground)
    state = planned.since.get(subject) or states[subject]
    joined = _joined(state, ground)
    if joined.since != state.since:
        planned.since[subject] = joined


def _tell(
    planned: Plan, source: Source, ground: _Ground, states: Mapping[tuple[int, int], State]
) -> None:
    """Tell of a state with one entry, however many rows of these are about it."""
    row = ground.listed
    subject = row.subject
    told = planned.told.get(subject)
    if told is not None:
        planned.told[subject] = told._replace(after=_joined(told.after, ground))
        return
    before = planned.since.pop(subject, None) or states.get(subject) or State.nothing(*subject)
    cause = Cause(Change.ADDED, row.reason, Lane.BULK, row.occurred_at, source.recorded_at)
    after = _joined(before, ground, version=before.version + 1)
    planned.told[subject] = Told(cause, row.point, before, after)


def _joined(state: State, ground: _Ground, *, version: int | None = None) -> State:
    """Join what a ground holds to a state."""
    standing = ground.standing
    since = state.since
    if standing and (since is None or ground.listed.occurred_at < since):
        since = ground.listed.occurred_at
    # Written out, for a million rows pass here, and ``replace`` and flags take their time.
    return State(
        state.point,
        state.brand,
        MEDIA_SETS[int(state.media) | standing],
        MEDIA_SETS[int(state.told) | standing],
        state.version if version is None else version,
        since,
        state.position,
    )


async def _look_up(
    session: AsyncSession, source: Source, rows: Sequence[Listed]
) -> Sequence[Row[Any]]:
    if not rows:
        return []
    found = await session.execute(
        _LAID,
        {
            "points": [row.point.id for row in rows],
            "brands": [row.brand for row in rows],
            "medias": [int(row.media) for row in rows],
            "reasons": [row.reason for row in rows],
            "occurred": [row.occurred_at for row in rows],
            "channel": source.channel,
        },
    )
    return found.all()


def _grounds(table: str, *, of: str) -> str:
    rows = unnested(
        {"point": "int8", "line": "int8"},
        {
            "brand": "int2",
            "media": "int2",
            "lifted": "int2",
            "reason": "int2",
            "occurred_at": "timestamptz",
        },
        of=of,
    )
    return f"""
    INSERT INTO grounds (point, position, occurred_at, opt_out, line, brand, channel, media, lifted,
                         reason)
    SELECT l.point, s.position, l.occurred_at, CAST(:{of}source AS uuid), l.line, l.brand,
           CAST(:{of}channel AS int2), l.media, l.lifted, l.reason
    FROM {rows} AS l JOIN {table} s USING (point, brand)
    """  # noqa: S608 - the code's own names


# Rows that hold a position are written by the statement that gives it; see journal.append.
_LAY = f", laid AS ({_grounds('written', of='laid_')})"
_KEEP = text(_grounds("suppressions", of=""))


def _columns(of: str, source: Source, grounds: Sequence[_Ground]) -> dict[str, Any]:
    rows = [ground.listed for ground in grounds]
    columns = {
        "source": source.id,
        "channel": source.channel,
        "point": [row.point.id for row in rows],
        "line": [row.line for row in rows],
        "brand": alike([row.brand for row in rows]),
        "media": alike([int(row.media) for row in rows]),
        "lifted": alike([ground.lifted for ground in grounds]),
        "reason": alike([row.reason for row in rows]),
        "occurred_at": alike([row.occurred_at for row in rows]),
    }
    return {of + name: value for name, value in columns.items()}


async def lay_planned(
    session: AsyncSession,
    source: Source,
    planned: Plan,
    *,
    then: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> int | None:
    """Lay the grounds of some rows and tell what changed, as planned under the same locks.

    ``then`` and ``parameters`` are the caller's own steps of the last statement, which is not run
    where nothing is told (``journal.append``).

    Returns:
        The position of the last entry, None where nothing was told.
    """
    if planned.kept:
        await session.execute(_KEEP, _columns("", source, planned.kept))
    await correct_since(session, planned.since.values())
    positions = await tell(
        session,
        [*planned.told.values()],
        then=_LAY + then,
        parameters=_columns("laid_", source, planned.laid) | dict(parameters or {}),
    )
    return max(positions.values(), default=None)
