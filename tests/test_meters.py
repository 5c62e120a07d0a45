"""Meters: rows and snapshots a day, exact over all processes, and what is usual for a key."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.parties import (
    Allowance,
    NewKey,
    QuotaExceeded,
    Quotas,
    Scope,
    UnusualUse,
    charge,
    create_key,
)
from app.platform.clock import now
from app.platform.db import Database
from tests.conftest import Caller
from tests.receivers import register
from tests.test_parties import acts, problem
from tests.test_quotas import LIMITED

if TYPE_CHECKING:
    from app.parties.meters import Meter

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
HALF_A_DAY = 43_200


async def key(
    database: Database,
    scope: Scope = "checks",
    *,
    rows_per_day: int | None = None,
    snapshots_per_day: int | None = None,
) -> int:
    """Make a key: its number."""
    async with database.transaction() as session:
        new = NewKey(
            "metered", [scope], rows_per_day=rows_per_day, snapshots_per_day=snapshots_per_day
        )
        return (await create_key(session, new, actor="tests", at=now())).key.number


async def past(database: Database, number: int, column: str, *used: int) -> None:
    """Let a key have used so much on the days before today, the latest last."""
    async with database.transaction() as session:
        for ago, amount in enumerate(reversed(used), start=1):
            await session.execute(
                text(f"INSERT INTO key_usage (key, day, {column}) VALUES (:key, :day, :used)"),  # noqa: S608 - the test's own
                {"key": number, "day": NOON.date() - timedelta(days=ago), "used": amount},
            )


async def used(database: Database) -> list[tuple[Any, ...]]:
    """Read what is counted for the day."""
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT key, checked, rows, snapshots, alarmed FROM key_usage WHERE day = :day"),
            {"day": NOON.date()},
        )
        return [tuple(row) for row in rows]


async def test_what_is_charged_is_counted_whole_or_not_at_all(database: Database) -> None:
    number = await key(database, rows_per_day=1_000)
    left = await charge(database, number, "rows", 400, at=NOON)
    assert left == Allowance("rows", 1_000, 600, HALF_A_DAY)
    assert left.headers == {
        "RateLimit-Policy": '"rows";q=1000;w=86400',
        "RateLimit": '"rows";r=600;t=43200',
    }
    with pytest.raises(QuotaExceeded) as refused:
        await charge(database, number, "rows", 601, at=NOON)
    assert refused.value.detail == "This key may scrub 1000 rows a day (UTC) and has 600 left."
    assert refused.value.headers == left.headers | {"Retry-After": "43200"}
    assert refused.value.extra == {"violated-policies": ["rows"]}
    left = await charge(database, number, "rows", 600, at=NOON)
    assert left == Allowance("rows", 1_000, 0, HALF_A_DAY)
    assert await used(database) == [(number, 0, 1_000, 0, [])]
    tomorrow = await charge(database, number, "rows", 1_000, at=NOON + timedelta(hours=12))
    assert tomorrow == Allowance("rows", 1_000, 0, 86_400)


async def test_many_at_once_use_no_more_than_there_is(database: Database) -> None:
    number = await key(database, rows_per_day=1_000)
    answers = await asyncio.gather(
        *(charge(database, number, "rows", 300, at=NOON) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(answer, Allowance) for answer in answers) == 3
    assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 5
    assert await used(database) == [(number, 0, 900, 0, [])]


async def test_meters_are_apart_and_those_left_out_are_of_the_settings(database: Database) -> None:
    number = await key(database)
    settings = database.settings
    limits: dict[Meter, int] = {
        "rows": settings.key_rows_per_day,
        "snapshots": settings.key_snapshots_per_day,
    }
    for meter, most in limits.items():
        assert await charge(database, number, meter, most, at=NOON)
        with pytest.raises(QuotaExceeded):
            await charge(database, number, meter, 1, at=NOON)
    assert await used(database) == [(number, 0, 25_000_000, 200, [])]


async def test_an_administrator_is_counted_and_never_refused(database: Database) -> None:
    number = await key(database, "admin", rows_per_day=1)
    await past(database, number, "rows", *[1] * 14)
    assert await charge(database, number, "rows", 10**9, at=NOON) is None
    assert await used(database) == [(number, 0, 10**9, 0, [])]


async def heard(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Read the alarms."""
    async with database.reading() as session:
        rows = await session.execute(text("SELECT type, data FROM alarms ORDER BY id"))
        return [(row.type, row.data) for row in rows]


async def test_a_hundred_median_days_and_no_more(
    admin: httpx.AsyncClient, database: Database
) -> None:
    number = await key(database)
    # The median of what was used, not the mean: one great day makes nobody great.
    await past(database, number, "rows", *[10] * 8, *[5] * 5, 1_000_000)
    assert await charge(database, number, "rows", 999, at=NOON) == Allowance(
        "rows", 25_000_000, 1, HALF_A_DAY
    )
    for _ in range(3):
        with pytest.raises(UnusualUse) as refused:
            await charge(database, number, "rows", 2, at=NOON)
    assert refused.value.status == 429
    assert refused.value.headers == {
        "Retry-After": "43200",
        "RateLimit-Policy": '"rows";q=25000000;w=86400',
        "RateLimit": '"rows";r=1;t=43200',
    }
    assert await charge(database, number, "rows", 1, at=NOON)
    assert await used(database) == [(number, 0, 1_000, 0, ["rows"])]
    (act,) = await acts(admin, action="key.unusual-use")
    assert act["actor"] == act["subject"]
    assert (act["actor_name"], act["detail"]) == ("metered", {"meter": "rows", "asked": 2})
    id_ = act["actor"].removeprefix("key:")
    said = {"key": id_, "name": "metered", "meter": "rows", "asked": 2}
    assert await heard(database) == [("key.unusual-use", said)], "once a day, not once a try"


@pytest.mark.parametrize("days", [0, 13])
async def test_with_fewer_than_14_days_nothing_is_unusual(database: Database, days: int) -> None:
    number = await key(database)
    await past(database, number, "rows", *[1] * days)
    assert await charge(database, number, "rows", 1_000_000, at=NOON)
    assert await heard(database) == []


async def test_days_without_use_of_the_meter_are_no_days_of_it(database: Database) -> None:
    number = await key(database)
    await past(database, number, "checked", *[7] * 30)
    assert await charge(database, number, "rows", 1_000_000, at=NOON)
    other = await key(database)
    assert await charge(database, other, "snapshots", 150, at=NOON), "another key's past is none"


async def test_a_quota_below_what_is_usual_is_a_quota_and_alarms_nobody(database: Database) -> None:
    number = await key(database, snapshots_per_day=50)
    await past(database, number, "rows", *[1] * 14)
    async with database.transaction() as session:
        await session.execute(text("UPDATE key_usage SET snapshots = 1"))
    for _ in range(2):
        with pytest.raises(UnusualUse):
            await charge(database, number, "rows", 101, at=NOON)
    with pytest.raises(QuotaExceeded):
        await charge(database, number, "snapshots", 101, at=NOON)
    assert [data["meter"] for _, data in await heard(database)] == ["rows"]


async def test_checks_are_held_to_the_past_too_and_alarm_once_over_all_processes(
    database: Database,
) -> None:
    number = await key(database)
    assert number == LIMITED.key
    today = now().date()
    async with database.transaction() as session:
        for ago in range(1, 15):
            await session.execute(
                text("INSERT INTO key_usage (key, day, checked) VALUES (1, :day, 2)"),
                {"day": today - timedelta(days=ago)},
            )
    free = LIMITED.__class__(1, LIMITED.id, "metered", frozenset({"checks"}))
    one, other = Quotas(database), Quotas(database)
    left = await one.count_checked(free, 150)
    assert left is not None
    assert (left.policy, left.most, left.left) == ("checks", 5_000_000, 50)
    for quotas, points in ((one, 51), (one, 51), (other, 201)):
        with pytest.raises(UnusualUse):
            await quotas.count_checked(free, points)
    await one.count_checked(free, 50)
    await one.flush()
    await other.flush()
    with pytest.raises(UnusualUse):
        await Quotas(database).count_checked(free, 1)
    assert [data["meter"] for _, data in await heard(database)] == ["checks"]


async def test_a_refusal_reaches_the_wire_with_its_headers(
    admin: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    await register(admin)
    new = {"name": "few", "scopes": ["journal:read"], "database": "crm", "snapshots_per_day": 2}
    text_ = (await admin.post("/v1/keys", json=new)).json()["key"]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"Authorization": f"Bearer {text_}"},
    ) as client:
        answers = [await client.get("/v1/snapshot") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    policy = '"snapshots";q=2;w=86400'
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {policy}
    left = [answer.headers["ratelimit"].split(";t=")[0] for answer in answers]
    assert left == ['"snapshots";r=1', '"snapshots";r=0', '"snapshots";r=0']
    refused = answers[2]
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400
    assert problem(refused) == {
        "type": "/problems/quota-exceeded",
        "title": "The key's quota is used up",
        "status": 429,
        "detail": "This key may take 2 snapshots a day (UTC) and has 0 left.",
        "violated-policies": ["snapshots"],
    }
    assert len(await acts(admin, action="snapshot.read")) == 2, "what was refused was not read"
    assert await heard(database) == []


async def test_a_batch_tells_what_is_left_and_an_administrator_nothing(
    admin: httpx.AsyncClient, caller: Caller
) -> None:
    batch = {"medium": "email", "items": [{"email": "a@example.com"}] * 3}
    answer = await (await caller("checks")).post("/v1/checks/batch", json=batch)
    assert answer.headers["ratelimit-policy"] == '"checks";q=5000000;w=86400'
    assert answer.headers["ratelimit"].startswith('"checks";r=4999997;t=')
    answer = await admin.post("/v1/checks/batch", json=batch)
    assert "ratelimit" not in answer.headers
