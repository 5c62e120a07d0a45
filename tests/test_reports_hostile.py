"""Reports asked for with bad times, by narrow keys, of a long journal: refused or cheap."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from app.delivery.reports import RangeTooWide, measure
from app.journal import follow, read_head
from app.journal import silence as sql
from app.parties import list_databases
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import register
from tests.test_parties import problem
from tests.test_reports import ALL, DAY, ONE_DAY, recorded, report, told


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database)


async def test_a_report_reads_a_long_journal_by_its_indexes_alone(
    database: Database, registry: Registry
) -> None:
    await registry.object(phone(1))
    async with database.transaction() as session:
        for number in range(1, 41):
            await follow(session, number, ALL, after=0, pushed=True)
        await session.execute(
            text("""
                INSERT INTO journal_entries
                SELECT n, point, occurred_at, recorded_at, version, brand, media, touches, kind,
                       change, lane, reason, gen_random_uuid(), commitment, hash
                FROM journal_entries, generate_series(2, 40000) n WHERE position = 1
            """)
        )
        await session.execute(text("UPDATE journal_head SET position = 40000"))
        for table in ("acknowledgements", "early_acknowledgements"):
            await session.execute(
                text(f"""
                    INSERT INTO {table} (follower, generation, upto, after, at)
                    SELECT f.id, 1, n * 100, n * 100 - 100, now()
                    FROM followers f, generate_series(1, 400) n
                """)  # noqa: S608 - constants
            )
        await session.execute(
            text("""
                INSERT INTO outcomes (follower, position, outcome, told_at)
                SELECT f.id, n * 100, 1, now() FROM followers f, generate_series(1, 400) n
            """)
        )
        await session.execute(text("ANALYZE"))
    given = {"begin": DAY, "end": now(), "after": 30_000, "upto": 32_000, "followers": range(1, 41)}
    async with database.reading() as session:
        plans = [
            *await session.scalars(text(f"EXPLAIN {sql._TALLY.text}"), given | {"added": 1}),  # noqa: SLF001 - the plan of the very statement
            *await session.scalars(text(f"EXPLAIN {sql._OUTCOMES.text}"), given),  # noqa: SLF001 - as above
        ]
        assert (await read_head(session)).position == 40_000
    for table in ("journal_entries", "acknowledgements", "early_acknowledgements", "outcomes"):
        assert not [line for line in plans if f"Seq Scan on {table}" in line], plans
    assert [line for line in plans if "Index Scan using pk_acknowledgements" in line], plans


async def test_a_report_that_takes_too_long_is_refused_with_what_to_do(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    await register(admin)
    await registry.object(phone(1))
    async with registry.database.reading() as session:
        databases = await list_databases(session)
    with pytest.raises(RangeTooWide):
        await measure(registry.database, databases, DAY, now() + timedelta(days=1), seconds=0)
    found = await measure(registry.database, databases, DAY, now() + timedelta(days=1))
    assert found.told == 1


REFUSED = [
    ({"from": ""}, "/query/from"),
    ({"from": "yesterday"}, "/query/from"),
    ({"from": "2026-05-04"}, "/query/from"),
    ({"from": "2026-05-04T00:00:00"}, "/query/from"),
    ({"from": "1777852800"}, "/query/from"),
    ({"from": "0001-01-01T00:00:00+14:00"}, "/query/from"),
    ({"to": "9999-12-31T23:59:59.999999Z"}, "/query/to"),
    ({"to": "2026-05-04T00:00:00Z\x00"}, "/query/to"),
    ({"to": "2026-13-45T00:00:00Z"}, "/query/to"),
    ({"to": "2026-05-04T00:00:00Z'; DROP TABLE outcomes"}, "/query/to"),
    ({"to": "2026-05-04T00:00:00Z"}, "/query"),
    ({"to": "2026-05-03T23:59:59Z"}, "/query"),
    ({"to": "2027-05-05T00:00:01Z"}, "/query"),
    ({"begin": "2026-05-04T00:00:00Z"}, "/query/begin"),
    ({"limit": "1"}, "/query/limit"),
]


async def test_times_that_are_none_or_too_far_apart_are_refused(admin: httpx.AsyncClient) -> None:
    await register(admin)
    for path in ("/v1/report", "/v1/databases/crm/report"):
        for query, pointer in REFUSED:
            answer = await admin.get(path, params=ONE_DAY | query)
            assert answer.status_code == 422, query
            refused = problem(answer)
            assert refused["type"] == "/problems/invalid-request"
            assert [one["pointer"] for one in refused["errors"]] == [pointer]


async def test_the_ends_of_time_are_no_error(admin: httpx.AsyncClient) -> None:
    await register(admin)
    for query, status in (
        ({}, 200),
        ({"to": "0001-01-15T00:00:00Z"}, 200),
        ({"to": "0001-01-01T00:00:01Z"}, 422),
        ({"from": "0001-01-01T00:00:01Z"}, 422),
        ({"from": "9999-12-31T00:00:00Z", "to": "9999-12-31T23:59:59Z"}, 200),
    ):
        answer = await admin.get("/v1/report", params=query)
        assert answer.status_code == status, answer.text


async def test_a_key_of_a_database_sees_its_own_report_alone(
    admin: httpx.AsyncClient, registry: Registry, caller: Caller
) -> None:
    await register(admin)
    await register(admin, slug="dialler")
    await registry.object(phone(1))
    await recorded(registry.database, 0)
    bound = await caller("parties:read", bound_to="crm")
    assert (await bound.get("/v1/databases/dialler/report", params=ONE_DAY)).status_code == 404
    own = await report(bound)
    assert told(own) == (1, 0)
    assert await report(bound, None) == own | {"database": None}
    assert told(await report(admin, None)) == (2, 0)
    assert (await admin.get("/v1/databases/none/report")).status_code == 404
