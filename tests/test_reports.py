"""Reports: what was told, what was said of it, how long it took until people were left alone."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.journal import (
    EVERY_MEDIUM,
    Kind,
    Media,
    Scope,
    Silence,
    Told,
    acknowledge,
    find_period,
    follow,
    measure_silence,
    restart,
    rewind,
    who_was_told,
)
from app.platform.clock import now
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import acknowledged, hasty, receiver, register, saying, working

DAY = datetime(2026, 5, 4, tzinfo=UTC)
ONE_DAY = {"from": "2026-05-04T00:00:00Z", "to": "2026-05-05T00:00:00Z"}
ALL = Scope(frozenset(Kind), EVERY_MEDIUM, None)
NOTHING: dict[str, Any] = {
    "database": "crm",
    "databases": 1,
    "from": "2026-05-04T00:00:00.000000Z",
    "to": "2026-05-05T00:00:00.000000Z",
    "entries": dict.fromkeys(
        ("told", "acknowledged", "applied", "already", "not_found", "exempt", "failed"), 0
    ),
    "contacts_cancelled": 0,
    "time_to_silence_seconds": {"entries": 0, "p50": None, "p95": None, "p99": None, "worst": None},
}


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def recorded(database: Database, *seconds: float) -> None:
    """Move the recording of the first entries to so many seconds into the day."""
    async with database.transaction() as session:
        for position, second in enumerate(seconds, start=1):
            at = DAY + timedelta(seconds=second)
            await session.execute(
                text("UPDATE journal_entries SET recorded_at = :at WHERE position = :position"),
                {"at": at, "position": position},
            )


async def applied(database: Database, follower: int, position: int, second: float) -> None:
    """Let a database acknowledge up to a position, so many seconds into the day."""
    async with database.transaction() as session:
        await acknowledge(session, follower, position, DAY + timedelta(seconds=second))


async def early(database: Database, follower: int, after: int, upto: int, second: float) -> None:
    """Let a database acknowledge live entries on its express lane."""
    async with database.transaction() as session:
        await session.execute(
            text("""
                INSERT INTO early_acknowledgements (follower, generation, after, upto, at)
                SELECT id, generation, :after, :upto, :at FROM followers WHERE id = :id
            """),
            {"id": follower, "after": after, "upto": upto, "at": DAY + timedelta(seconds=second)},
        )


async def report(
    client: httpx.AsyncClient, slug: str | None = "crm", **query: str
) -> dict[str, Any]:
    """Ask for the report of the day on one database, or on all."""
    path = "/v1/report" if slug is None else f"/v1/databases/{slug}/report"
    answer = await client.get(path, params=ONE_DAY | query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def told(body: dict[str, Any]) -> tuple[int, int]:
    return body["entries"]["told"], body["entries"]["acknowledged"]


def times(body: dict[str, Any]) -> list[float | None]:
    return list(body["time_to_silence_seconds"].values())


async def test_a_report_tells_what_a_webhook_answered_and_how_long_it_took(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    words = ("applied", "already", "not_found", "exempt", "failed")
    outcomes = [{"position": n, "outcome": word} for n, word in enumerate(words, start=1)]
    outcomes[0]["contacts_cancelled"] = 3
    outcomes[3]["contacts_cancelled"] = 4
    async with receiver(saying(200, {"outcomes": outcomes})) as crm:
        await register(admin, crm.url)
        begun = now()
        for number in range(1, 7):
            await registry.object(phone(number))
        async with working(registry.database.settings):
            await acknowledged(admin, 6)
    query = {"from": begun.isoformat(), "to": (begun + timedelta(hours=1)).isoformat()}
    body = await report(admin, **query)
    seconds = body.pop("time_to_silence_seconds")
    assert body == {
        **{name: NOTHING[name] for name in ("database", "databases")},
        "from": begun.isoformat("T", "microseconds").replace("+00:00", "Z"),
        "to": (begun + timedelta(hours=1)).isoformat("T", "microseconds").replace("+00:00", "Z"),
        "entries": {"told": 6, "acknowledged": 6, **dict.fromkeys(words, 1)},
        "contacts_cancelled": 7,
    }
    assert seconds["entries"] == 6
    assert 0 < seconds["p50"] <= seconds["p95"] <= seconds["p99"] <= seconds["worst"] < 60


async def test_percentiles_are_those_of_the_entries(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await register(admin)
    for number in range(100):
        await registry.object(phone(number))
    await recorded(registry.database, *[0] * 100)
    for position in range(1, 101):
        await applied(registry.database, 1, position, position * 1.23456)
    assert await report(admin) == NOTHING | {
        "entries": NOTHING["entries"] | {"told": 100, "acknowledged": 100},
        "time_to_silence_seconds": {
            "entries": 100,
            "p50": 61.7,
            "p95": 117.0,
            "p99": 122.0,
            "worst": 123.456,
        },
    }


async def test_over_all_databases_the_last_one_counts_and_tellings_are_added_up(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    for slug in ("crm", "dialler", "mailer"):
        await register(admin, slug=slug, kinds=["email"] if slug == "mailer" else ["phone"])
    for number in (1, 2, 3):
        await registry.object(phone(number))
    await recorded(registry.database, 10, 20, 30)
    await applied(registry.database, 1, 3, 40)
    await applied(registry.database, 2, 1, 70)
    await applied(registry.database, 2, 2, 90)
    assert await report(admin, None) == NOTHING | {
        "database": None,
        "databases": 3,
        "entries": NOTHING["entries"] | {"told": 6, "acknowledged": 5},
        "time_to_silence_seconds": {
            "entries": 2,
            "p50": 60.0,
            "p95": 70.0,
            "p99": 70.0,
            "worst": 70.0,
        },
    }
    assert times(await report(admin)) == [3, 20.0, 30.0, 30.0, 30.0]
    assert await report(admin, "mailer") == NOTHING | {"database": "mailer"}


async def test_a_replay_and_a_new_beginning_change_nothing_that_was_proven(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await register(admin)
    for number in (1, 2):
        await registry.object(phone(number))
    await recorded(registry.database, 0, 0)
    await applied(registry.database, 1, 2, 5)
    before = await report(admin)
    assert times(before) == [2, 5.0, 5.0, 5.0, 5.0]
    async with registry.database.transaction() as session:
        await rewind(session, 1, to=0)
    await applied(registry.database, 1, 2, 500)
    assert await report(admin) == before
    async with registry.database.transaction() as session:
        await restart(session, 1, ALL, pushed=False)
    assert await report(admin) == before, "it was told once, and still is"
    await applied(registry.database, 1, 2, 900)
    assert await report(admin) == before


async def test_the_first_of_both_lanes_counts_for_what_the_express_lane_brought(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await register(admin)
    for number in range(1, 5):
        await registry.object(phone(number))
    await recorded(registry.database, 0, 0, 0, 0)
    async with registry.database.transaction() as session:
        await session.execute(text("UPDATE journal_entries SET lane = 2 WHERE position = 2"))
    await early(registry.database, 1, 0, 3, 7)
    assert (told(await report(admin)), times(await report(admin))) == ((4, 2), [2, *[7.0] * 4])
    await applied(registry.database, 1, 4, 100)
    assert (told(await report(admin)), times(await report(admin))) == (
        (4, 4),
        [4, 7.0, 100.0, 100.0, 100.0],
    )


async def test_an_entry_of_the_first_instant_counts_and_one_of_the_last_does_not(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await register(admin)
    for number in range(5):
        await registry.object(phone(number))
    day = 86_400
    # The clocks of two machines differ: positions are not in the order of their times.
    await recorded(registry.database, 0, -0.000001, 0.000001, day, day - 0.000001)
    assert told(await report(admin)) == (3, 0)


async def test_what_was_recorded_before_a_database_was_registered_is_no_matter_of_its_report(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    await register(admin)
    await registry.object(phone(2))
    await recorded(registry.database, 0, 0)
    await applied(registry.database, 1, 2, 5)
    assert told(await report(admin)) == (1, 1)


async def test_lifting_and_erasing_are_told_and_are_no_silence(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await register(admin)
    receipt = await registry.object(phone(1))
    await registry.void(receipt.opt_out.id)
    await recorded(registry.database, 0, 0)
    await applied(registry.database, 1, 2, 5)
    body = await report(admin)
    assert (told(body), times(body)[0]) == ((2, 2), 1)


async def test_an_outcome_about_what_does_not_concern_the_database_is_not_counted(
    admin: httpx.AsyncClient, registry: Registry, caller: Caller
) -> None:
    await register(admin, kinds=["email"])
    await registry.object(phone(1))
    await recorded(registry.database, 0)
    crm = await caller("journal:read", bound_to="crm")
    outcome = {"position": 1, "outcome": "applied", "contacts_cancelled": 2**31 - 1}
    answer = await crm.post("/v1/outcomes", json={"outcomes": [outcome]})
    assert answer.status_code == 200
    assert await report(admin) == NOTHING


@pytest.mark.parametrize("seed", range(6))
async def test_a_report_says_what_the_receipts_of_its_entries_say(
    database: Database, registry: Registry, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    followers = range(1, 6)
    for number in range(30):
        if number % 6 == 0:
            async with database.transaction() as session:
                await follow(session, number // 6 + 1, _scope(chance), after=0, pushed=True)
        await registry.object(phone(number), media=chance.choice((EVERY_MEDIUM, Media.SMS)))
    await recorded(database, *sorted(chance.uniform(0, 100) for _ in range(30)))
    async with database.transaction() as session:
        await session.execute(text("UPDATE journal_entries SET lane = 1 + position % 3 / 2"))
    for _ in range(25):
        one, position, second = chance.choice(followers), chance.randint(1, 30), _ + 100
        match chance.randrange(5):
            case 0:
                async with database.transaction() as session:
                    await restart(session, one, _scope(chance), pushed=True)
            case 1:
                if await _has_none(database, one):
                    await early(database, one, position - 1, min(30, position + 5), second)
            case _:
                await applied(database, one, position, second)
    async with database.reading() as session:
        period = await find_period(session, DAY, DAY + timedelta(days=1))
        receipts = [await who_was_told(session, [position]) for position in range(1, 31)]
        found = await measure_silence(session, period, followers)
        at = await session.execute(
            text("SELECT recorded_at FROM journal_entries ORDER BY position")
        )
        expected = _expected(list(at.scalars()), receipts)
    assert (found.told, found.acknowledged) == (expected.told, expected.acknowledged)
    assert found.seconds == expected.seconds
    assert found.worst == pytest.approx(expected.worst)


def _scope(chance: random.Random) -> Scope:
    return Scope(frozenset(Kind), chance.choice((EVERY_MEDIUM, Media.VOICE, Media.SMS)), None)


async def _has_none(database: Database, follower: int) -> bool:
    # Within a lane no two proofs overlap.
    async with database.reading() as session:
        kept = text("""
            SELECT count(*) = 0 FROM early_acknowledgements a
            JOIN followers f ON f.id = a.follower AND f.generation = a.generation WHERE f.id = :id
        """)
        return bool(await session.scalar(kept, {"id": follower}))


def _expected(recorded_at: Sequence[datetime], receipts: Sequence[Sequence[Told]]) -> Silence:
    """Count receipts one by one, as the contract says it of one of them."""
    total = Silence()
    for at, told_of in zip(recorded_at, receipts, strict=True):
        proofs = [one.acknowledged_at for one in told_of if one.acknowledged_at is not None]
        total += Silence(told=len(told_of), acknowledged=len(proofs))
        if proofs and len(proofs) == len(told_of):
            seconds = (max(proofs) - at).total_seconds()
            total += Silence(seconds={float(f"{seconds:.3g}"): 1}, worst=seconds)
    return total
