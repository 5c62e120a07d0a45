"""Accepting an opt-out, and its receipt: what became of it, and who has been told."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts import Withdrawing, keep_withdrawals
from app.identifiers import Identifier
from app.journal import (
    FollowerState,
    Kind,
    Media,
    Told,
    read_followers,
    who_was_told,
)
from app.points import OpenedPoint, Point, PointKeys, claim_points, find_point, open_points
from app.registry import (
    Laid,
    Laying,
    State,
    grounds_laid_by,
    lay_grounds,
    lay_many,
    read_states,
    weigh,
)

from .opt_outs import OptOut, first_with_reference, keep_opt_out, keep_opt_outs

Status = Literal["pending", "acknowledged", "failing", "paused"]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is suppressed for one contact point, which is masked; ``brand`` 0 is every brand."""

    kind: Kind
    masked: str
    media: Media
    brand: int
    since: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """An opt-out with what became of it.

    ``databases`` are those it concerns, of which ``acknowledged`` have applied it; ``replayed``
    says that this very request was accepted before.
    """

    opt_out: OptOut
    position: int
    suppressed: Sequence[Suppressed]
    databases: int
    acknowledged: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Hop:
    """One database that an opt-out concerns, and how it stands there; ``follower`` is its number.

    ``lag`` counts seconds from the recording to the acknowledgement, or to now; ``due_at`` is when
    the database is told next.
    """

    follower: int
    status: Status
    told: Told
    lag: float
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Propagation:
    """Who has been told of an opt-out; ``time_to_silence`` in seconds, None until all have."""

    position: int
    hops: Sequence[Hop]
    time_to_silence: float | None


async def accept(
    session: AsyncSession,
    keys: PointKeys,
    opt_out: OptOut,
    identifiers: Collection[Identifier],
) -> Receipt:
    """Take an opt-out: keep it with its evidence, lay its grounds, tell the journal.

    The journal's append comes last: the caller commits, and sends the receipt only then.

    Raises:
        ReferenceReused: its channel used the reference for another request.
    """
    if not await keep_opt_out(session, opt_out):
        asked = [await find_point(session, keys, one) for one in identifiers]
        first = await first_with_reference(session, opt_out, asked)
        return await read_receipt(session, keys, first, replayed=True)
    points = await claim_points(session, keys, identifiers)
    laying = _laying(opt_out)
    await keep_withdrawals(session, opt_out.id, _withdrawn(opt_out, points.values()))
    weighed, databases = await weigh(session, laying, [points[one] for one in identifiers])
    states = await lay_grounds(session, laying, weighed)
    opened = [OpenedPoint(points[one].id, points[one].kind, one) for one in identifiers]
    position = max(state.position for state in states)
    return Receipt(opt_out, position, show_states(states, opened), databases, acknowledged=0)


async def accept_many(
    session: AsyncSession,
    keys: PointKeys,
    opt_outs: Sequence[tuple[OptOut, Collection[Identifier]]],
) -> None:
    """Take opt-outs that came together, each as ``accept`` takes one; none has a reference."""
    await keep_opt_outs(session, [opt_out for opt_out, _ in opt_outs])
    everybody = dict.fromkeys(who for _, identifiers in opt_outs for who in identifiers)
    points = await claim_points(session, keys, everybody)
    laid = []
    for opt_out, identifiers in opt_outs:
        concerned = [points[who] for who in identifiers]
        await keep_withdrawals(session, opt_out.id, _withdrawn(opt_out, concerned))
        laid += [Laid(_laying(opt_out), point) for point in concerned]
    await lay_many(session, laid)


def _laying(opt_out: OptOut) -> Laying:
    return Laying(
        opt_out.id,
        opt_out.brand,
        opt_out.media,
        opt_out.reason,
        opt_out.channel,
        opt_out.occurred_at,
        opt_out.recorded_at,
        opt_out.verified,
    )


def _withdrawn(opt_out: OptOut, points: Iterable[Point]) -> list[Withdrawing]:
    return [
        Withdrawing(one.id, opt_out.brand, opt_out.media, opt_out.reason, opt_out.occurred_at)
        for one in points
    ]


async def read_receipt(
    session: AsyncSession, keys: PointKeys, opt_out: OptOut, *, replayed: bool = False
) -> Receipt:
    """Write the receipt of an opt-out as of now."""
    laid = await grounds_laid_by(session, opt_out.id)
    points = {ground.point for ground in laid}
    states = [state for state in await read_states(session, points) if state.brand == opt_out.brand]
    opened = await open_points(session, keys, points)
    positions = {ground.position for ground in laid}
    told = await who_was_told(session, positions)
    return Receipt(
        opt_out,
        max(positions),
        show_states(states, [opened[ground.point] for ground in laid]),
        len(told),
        sum(one.acknowledged_at is not None for one in told),
        replayed,
    )


def show_states(states: Iterable[State], points: Iterable[OpenedPoint]) -> list[Suppressed]:
    """Put each state beside its contact point, in the order of the contact points."""
    by_point = {state.point: state for state in states}
    shown = []
    for point in points:
        state = by_point[point.id]
        shown.append(
            Suppressed(
                point.kind, point.masked, state.media, state.brand, state.since, state.version
            )
        )
    return shown


async def read_propagation(session: AsyncSession, opt_out: OptOut, *, at: datetime) -> Propagation:
    """Tell database by database who has acknowledged an opt-out, and who not yet."""
    positions = {ground.position for ground in await grounds_laid_by(session, opt_out.id)}
    told = await who_was_told(session, positions)
    followers = await read_followers(session, [one.follower for one in told])
    hops = []
    for one in told:
        status = _status(one, followers[one.follower])
        # Two machines' clocks: an acknowledgement never comes before the recording.
        lag = max(0.0, ((one.acknowledged_at or at) - opt_out.recorded_at).total_seconds())
        hops.append(Hop(one.follower, status, one, lag, followers[one.follower].due_at))
    silent = bool(hops) and all(hop.status == "acknowledged" for hop in hops)
    return Propagation(max(positions), hops, max(hop.lag for hop in hops) if silent else None)


def _status(told: Told, follower: FollowerState) -> Status:
    if told.acknowledged_at is not None:
        return "acknowledged"
    if follower.paused:
        return "paused"
    return "failing" if follower.failures or told.parked else "pending"
