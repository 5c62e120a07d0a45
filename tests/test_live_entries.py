"""Live entries among a million of an import: found without a look at those, proven one by one."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from app.journal import (
    EarlyStep,
    FollowerState,
    Lane,
    Told,
    acknowledge,
    advance,
    advance_early,
    append,
    claim,
    claim_early,
    find_window,
    look_ahead,
    put_off,
    put_off_early,
    read_followers,
    read_head,
    read_pulse,
    restart,
    rewind,
    who_was_told,
)
from app.platform.db import Database, driver_of
from tests.acts import Registry, minute
from tests.backlogs import import_in_bulk
from tests.test_followers import DB, do, followed, step
from tests.test_journal import ALL, draft

LEASE = timedelta(seconds=30)


async def write_mixed(database: Database, lanes: str) -> None:
    """Append an entry for each letter: l is live, b is bulk."""
    kinds = {"l": Lane.LIVE, "b": Lane.BULK}
    drafts = [draft(n, lane=kinds[lane]) for n, lane in enumerate(lanes, start=1)]
    async with database.transaction() as session:
        await append(session, drafts)


async def wanted(database: Database, live: int) -> bool:
    ahead = await do(database, look_ahead, DB, live=live)
    return bool(ahead.wanted)


async def early_step(
    database: Database, after: int, upto: int, *, acknowledged: bool = True, at: int = 5
) -> frozenset[int]:
    """Move the express lane as its holder does."""
    async with database.transaction() as session:
        told, fence = (await session.execute(text("SELECT told, fence FROM express_lanes"))).one()
        moved = EarlyStep(DB, fence, told, after, upto, acknowledged, 500, minute(at))
        return await advance_early(session, [moved])


async def told_at(database: Database, *positions: int) -> list[object]:
    found: list[Told] = await do(database, who_was_told, positions)
    return [one.acknowledged_at for one in found]


async def test_a_search_for_live_entries_reads_none_of_a_backlog(
    database: Database, registry: Registry
) -> None:
    await followed(database)
    await write_mixed(database, "l" * 300)
    async with database.transaction() as session:
        # As it is before a first import: all that the planner knows of are live.
        await session.execute(text("ANALYZE journal_entries"))
    await import_in_bulk(registry, 60_000)
    await write_mixed(database, "l")
    async with database.transaction() as session:
        for _ in range(7):  # from the sixth on with a plan for all parameters
            head = (await read_head(session)).position
            pulse = await read_pulse(await driver_of(session), [DB], [DB])
            assert pulse.live == head == 60_301
            window = await find_window(session, ALL, after=299, head=head, most=9, live=True)
            assert window.positions == [300, head]
            ahead = await look_ahead(session, DB, live=pulse.live)
            assert ahead is not None
            assert ahead.wanted
            await claim_early(session, most=9, lease=timedelta(0), live=head)
        read = await session.scalar(
            text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
                 "WHERE relname = 'journal_entries'")
        )  # fmt: skip
    assert read < 7 * 2_000


async def test_the_lane_is_wanted_when_its_next_batch_lies_beyond_the_main_lane_s_next_two(
    database: Database, registry: Registry
) -> None:
    await followed(database)
    await write_mixed(database, "l" * 10)
    assert not await wanted(database, 10)
    await import_in_bulk(registry, 989)
    await write_mixed(database, "l")
    assert not await wanted(database, 1_000)
    await write_mixed(database, "bl")
    assert await wanted(database, 1_002)
    (held,) = await do(database, claim_early, most=9, lease=LEASE, live=1_002)
    assert held.follower.id == DB
    assert await do(database, claim_early, most=9, lease=LEASE, live=1_002) == []
    await early_step(database, 0, 1_002)
    assert not await wanted(database, 1_002)


async def test_in_an_outage_the_lane_is_wanted_where_the_database_refuses_what_it_is_sent(
    database: Database, registry: Registry
) -> None:
    await followed(database)
    await write_mixed(database, "ll")
    held: FollowerState
    (held,) = await do(database, claim, most=9, lease=LEASE, due_by=9)
    for failure, refused in ((1, True), (2, True), (3, False), (4, True)):
        more = {"wait": LEASE, "batch_limit": 1, "refused": refused}
        assert await do(database, put_off, DB, held.fence, **more)
        assert await wanted(database, 2) == (failure == 4)
    await import_in_bulk(registry, 2_000)
    await write_mixed(database, "l")
    assert await do(database, put_off, DB, held.fence, wait=LEASE, batch_limit=1)
    assert not await wanted(database, 2_003), "nobody answers there"


async def test_a_proof_of_the_express_lane_reaches_live_entries_alone(database: Database) -> None:
    await followed(database)
    await write_mixed(database, "bblbl")
    assert await early_step(database, 2, 5) == {DB}
    assert await told_at(database, 3) == [minute(5)]
    assert await told_at(database, 5) == [minute(5)]
    assert await told_at(database, 2) == [None]
    assert await told_at(database, 4) == [None]
    assert await told_at(database, 4, 5) == [None]
    await do(database, acknowledge, DB, 4, minute(9))
    assert await told_at(database, 4) == [minute(9)]
    assert await told_at(database, 4, 5) == [minute(9)]
    assert await told_at(database, 3, 5) == [minute(5)]


async def test_an_entry_that_the_express_lane_left_out_has_no_proof_there(
    database: Database,
) -> None:
    await followed(database)
    await write_mixed(database, "lll")
    await early_step(database, 0, 1, at=1)
    await early_step(database, 1, 2, acknowledged=False)
    await early_step(database, 2, 3, at=3)
    assert [await told_at(database, n) for n in (1, 2, 3)] == [[minute(1)], [None], [minute(3)]]
    await do(database, acknowledge, DB, 3, minute(9))
    assert [await told_at(database, n) for n in (1, 2, 3)] == [
        [minute(1)],
        [minute(9)],
        [minute(3)],
    ]


async def test_whoever_lost_the_express_lane_is_refused(database: Database) -> None:
    await followed(database)
    await write_mixed(database, "lll")
    stale = EarlyStep(DB, 0, 0, 0, 3, acknowledged=True, batch_limit=1, at=minute(1))
    elsewhere = replace(stale, told_before=1)
    assert await do(database, advance_early, [elsewhere]) == frozenset()
    async with database.transaction() as session:
        await session.execute(text("UPDATE express_lanes SET fence = 1, told = 0"))
    assert await do(database, advance_early, [stale]) == frozenset()
    assert not await do(database, put_off_early, DB, 0, wait=LEASE, batch_limit=1)
    assert await told_at(database, 3) == [None]


async def test_the_express_lane_never_goes_back_and_begins_where_the_main_lane_was(
    database: Database,
) -> None:
    await followed(database)
    await write_mixed(database, "lllll")
    (held,) = await do(database, claim, most=9, lease=LEASE, due_by=9)
    await do(database, advance, [step(held, 4)])
    await do(database, rewind, DB, to=0)
    assert (await do(database, look_ahead, DB, live=5)).after == 4
    await do(database, restart, DB, ALL, pushed=True)
    state = (await do(database, read_followers, [DB]))[DB]
    assert (state.scanned, state.acknowledged) == (0, 0)
    assert (await do(database, look_ahead, DB, live=5)).after == 4
