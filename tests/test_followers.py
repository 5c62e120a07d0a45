"""Followers: leases with a fence, cursors moved by compare-and-set, proofs that stay."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import text

from app.journal import (
    CONCERNED,
    EVERY_MEDIUM,
    FollowerState,
    Kind,
    Media,
    Report,
    Result,
    Scope,
    Step,
    Told,
    acknowledge,
    advance,
    append,
    claim,
    count_concerned,
    follow,
    pause,
    put_off,
    read_followers,
    release,
    renew,
    report,
    restart,
    resume,
    rewind,
    unfollow,
    who_was_told,
)
from app.platform.db import Database
from tests.acts import minute
from tests.test_journal import ALL, draft, write

LEASE = timedelta(seconds=30)
DB = 1


async def do(
    database: Database, act: Callable[..., Awaitable[Any]], *given: object, **more: object
) -> Any:  # noqa: ANN401 - any of the room's functions
    """Call one function of the room in a transaction of its own."""
    async with database.transaction() as session:
        return await act(session, *given, **more)


async def followed(database: Database, *entries: int, scope: Scope = ALL) -> None:
    """Begin to follow, then write an entry about each contact point."""
    await do(database, follow, DB, scope, after=0, pushed=True)
    for entry in entries:
        await write(database, entry)


async def state(database: Database, follower: int = DB) -> FollowerState:
    """Read a follower."""
    states: dict[int, FollowerState] = await do(database, read_followers, [follower])
    return states[follower]


async def end_leases(database: Database) -> None:
    """Let the time of every lease run out."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE followers SET lease_until = NULL"))


async def taken(database: Database, *, most: int = 9, due_by: int = 99) -> list[FollowerState]:
    """Take what is due."""
    held: list[FollowerState] = await do(database, claim, most=most, lease=LEASE, due_by=due_by)
    return held


def step(held: FollowerState, told: int, *, at: datetime | None = None) -> Step:
    """Move a follower to a position that it acknowledged."""
    return Step(DB, held.fence, held.told, told, told, told, 500, at or minute(told))


async def told_of(database: Database, *positions: int) -> list[Told]:
    """Ask who was told of some entries."""
    found: list[Told] = await do(database, who_was_told, positions)
    return found


async def test_a_lease_is_taken_once_however_many_workers_ask(database: Database) -> None:
    for follower in range(1, 9):
        await do(database, follow, follower, ALL, after=0, pushed=True)
    await write(database, 1)
    claims = await asyncio.gather(*(taken(database, most=3) for _ in range(6)))
    held = sorted(one.id for several in claims for one in several)
    assert len(held) == len(set(held))
    assert {*held, *(one.id for one in await taken(database))} == set(range(1, 9))
    assert await taken(database) == []


async def test_only_a_pushed_follower_that_is_due_and_behind_is_taken(database: Database) -> None:
    await followed(database, 1)
    assert await taken(database, due_by=0) == []
    await do(database, follow, 2, ALL, after=0, pushed=False)
    await do(database, pause, DB)
    assert await taken(database) == []
    await do(database, resume, DB)
    (held,) = await taken(database)
    assert await do(database, put_off, DB, held.fence, wait=LEASE, batch_limit=1)
    await do(database, release, {DB: held.fence})
    assert await taken(database) == []
    assert ((await state(database)).failures, (await state(database)).batch_limit) == (1, 1)
    await do(database, resume, DB)
    assert [one.id for one in await taken(database)] == [DB]


async def test_a_lease_that_ran_out_is_another_s_and_the_first_holder_is_refused(
    database: Database,
) -> None:
    await followed(database, 1, 2)
    (first,) = await do(database, claim, most=1, lease=timedelta(0), due_by=9)
    (second,) = await taken(database)
    assert second.fence > first.fence
    assert await do(database, advance, [step(first, 2)]) == frozenset()
    assert not await do(database, put_off, DB, first.fence, wait=LEASE, batch_limit=1)
    assert await do(database, renew, {DB: first.fence}, lease=LEASE) == frozenset()
    await do(database, release, {DB: first.fence})
    assert await taken(database) == [], "it could give back the lease of another"
    assert (await state(database)).told == 0
    assert await do(database, advance, [step(second, 2)]) == {DB}
    assert await do(database, renew, {DB: second.fence}, lease=LEASE) == {DB}


async def test_whatever_changes_a_follower_takes_it_from_its_holder(database: Database) -> None:
    await followed(database, 1, 2)
    changes: list[Callable[..., Awaitable[object]]] = [
        partial(pause, follower=DB),
        partial(rewind, follower=DB, to=0),
        partial(restart, follower=DB, scope=ALL, pushed=True),
        partial(acknowledge, follower=DB, position=1, at=minute(9)),
    ]
    for change in changes:
        await do(database, resume, DB)
        await do(
            database,
            lambda session: session.execute(text("UPDATE followers SET lease_until = NULL")),
        )
        (held,) = await taken(database)
        await do(database, change)
        assert await do(database, advance, [step(held, 2)]) == frozenset()


async def test_a_cursor_moves_only_from_the_place_it_was_read_at(database: Database) -> None:
    await followed(database, 1, 2, 3)
    (held,) = await taken(database)
    assert await do(database, advance, [step(held, 2)]) == {DB}
    assert await do(database, advance, [step(held, 3)]) == frozenset(), "it starts from 0 again"
    assert (await state(database)).told == 2
    last = step(await state(database), 3)
    races = await asyncio.gather(*(do(database, advance, [last]) for _ in range(4)))
    assert sorted(races, key=len) == [frozenset()] * 3 + [{DB}]


async def test_looking_over_what_does_not_concern_a_follower_proves_nothing(
    database: Database,
) -> None:
    await followed(database, 1, 2)
    (held,) = await taken(database)
    skipped = Step(DB, held.fence, 0, 0, 2, None, 500, minute(1))
    assert await do(database, advance, [skipped]) == {DB}
    now = await state(database)
    assert (now.scanned, now.told, now.acknowledged) == (2, 0, 0)
    assert [one.acknowledged_at for one in await told_of(database, 2)] == [None]


async def test_the_first_acknowledgement_counts_and_a_replay_changes_nothing(
    database: Database,
) -> None:
    await followed(database, 1, 2, 3)
    (held,) = await taken(database)
    await do(database, advance, [step(held, 2, at=minute(10))])
    await do(database, rewind, DB, to=0)
    rewound = await state(database)
    assert (rewound.told, rewound.scanned, rewound.acknowledged) == (0, 0, 2)
    assert rewound.replays == held.replays + 1
    assert [one.acknowledged_at for one in await told_of(database, 2)] == [minute(10)]
    await end_leases(database)
    (again,) = await taken(database)
    await do(database, advance, [step(again, 1, at=minute(20))])
    assert (await state(database)).acknowledged == 2
    await do(database, advance, [step(await state(database), 3, at=minute(30))])
    for position, at in ((1, 10), (2, 10), (3, 30)):
        assert await told_of(database, position) == [Told(DB, position, minute(at), None)]


async def test_a_follower_that_says_how_far_it_is_never_goes_back(database: Database) -> None:
    await followed(database, 1, 2, 3)
    await do(database, acknowledge, DB, 2, minute(10))
    await do(database, acknowledge, DB, 1, minute(20))
    await do(database, acknowledge, DB, 2, minute(30))
    now = await state(database)
    assert (now.told, now.scanned, now.acknowledged) == (2, 2, 2)
    assert [one.acknowledged_at for one in await told_of(database, 1, 2)] == [minute(10)]
    await asyncio.gather(*(do(database, acknowledge, DB, 3, minute(40 + n)) for n in range(4)))
    ((_, position, at, _),) = [
        (one.follower, one.position, one.acknowledged_at, one.result)
        for one in await told_of(database, 3)
    ]
    assert position == 3
    assert at in {minute(40 + n) for n in range(4)}


async def test_a_new_registration_starts_again_and_what_was_proven_stays(
    database: Database,
) -> None:
    await followed(database, 1, 2)
    await do(database, acknowledge, DB, 1, minute(10))
    await do(database, restart, DB, Scope(frozenset({Kind.PHONE}), Media.VOICE, None), pushed=True)
    now = await state(database)
    assert (now.generation, now.told, now.scanned, now.acknowledged) == (2, 0, 0, 0)
    assert now.scope == Scope(frozenset({Kind.PHONE}), Media.VOICE, None)
    assert [one.acknowledged_at for one in await told_of(database, 1)] == [minute(10)]
    assert [one.acknowledged_at for one in await told_of(database, 2)] == [None]
    await do(database, acknowledge, DB, 2, minute(20))
    assert [one.acknowledged_at for one in await told_of(database, 1)] == [minute(10)]
    assert [one.acknowledged_at for one in await told_of(database, 2)] == [minute(20)]


async def test_what_a_narrower_registration_no_longer_hears_is_not_awaited(
    database: Database,
) -> None:
    await followed(database, 1, 2)
    await do(database, acknowledge, DB, 1, minute(10))
    await do(database, restart, DB, Scope(frozenset({Kind.EMAIL}), Media.EMAIL, None), pushed=True)
    assert [one.acknowledged_at for one in await told_of(database, 1)] == [minute(10)]
    assert await told_of(database, 2) == []


async def test_counted_are_the_databases_registered_before_and_not_deleted_since(
    database: Database,
) -> None:
    await followed(database, 1)
    await do(database, follow, 2, ALL, after=0, pushed=True)
    await write(database, 2)
    assert [one.follower for one in await told_of(database, 1)] == [DB]
    assert [one.follower for one in await told_of(database, 2)] == [DB, 2]
    await do(database, unfollow, DB)
    assert await told_of(database, 1) == []
    assert [one.follower for one in await told_of(database, 2)] == [2]


async def test_who_is_concerned_before_an_entry_is_written_is_told_after(
    database: Database,
) -> None:
    scopes = [
        ALL,
        Scope(frozenset({Kind.EMAIL}), EVERY_MEDIUM, None),
        Scope(frozenset(Kind), Media.VOICE, (1, 2)),
        Scope(frozenset(Kind), Media.POST, ()),
    ]
    for follower, scope in enumerate(scopes, start=1):
        await do(database, follow, follower, scope, after=0, pushed=True)
    for media, kind, brand in (
        (EVERY_MEDIUM, Kind.PHONE, 0),
        (Media.VOICE, Kind.PHONE, 1),
        (Media.VOICE, Kind.EMAIL, 3),
        (Media(0), Kind.PHONE, 0),
    ):
        async with database.transaction() as session:
            concerned = await session.scalar(text(f"SELECT {CONCERNED}"), {"brand": brand})
            expected = count_concerned(concerned, [(kind, media)])
            one = draft(1, media=media, kind=kind, brand=brand)
            (position,) = (await append(session, [one])).values()
        assert len(await told_of(database, position)) == expected


async def test_the_last_word_about_an_entry_is_its_outcome(database: Database) -> None:
    await followed(database, 1)
    await do(database, acknowledge, DB, 1, minute(10))
    for result in (Result.FAILED, Result.APPLIED):
        await do(database, report, DB, {1: Report(1, result, None, 3)}, minute(11))
        assert await told_of(database, 1) == [Told(DB, 1, minute(10), result)]
