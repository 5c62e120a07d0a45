"""Reports asked for with bad times, by narrow keys, of a long journal: refused or cheap."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.delivery.reports import RangeTooWide, measure
from app.journal import Period, follow, measure_silence, read_head
from app.journal import silence as sql
from app.parties import RegisteredDatabase, list_databases
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import Registry, phone
from tests.conftest import Caller
from tests.receivers import register
from tests.test_parties import problem
from tests.test_reports import ALL, DAY, ONE_DAY, recorded, report, told


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
        # Early ones of others: a follower that has both is looked at by itself.
        for table, first in (("acknowledgements", 0), ("early_acknowledgements", 100)):
            await session.execute(
                text(f"""
                    INSERT INTO {table} (follower, generation, upto, after, at)
                    SELECT f.id + {first}, 1, n * 100, n * 100 - 100, now()
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
    looked_at: Counter[str] = Counter()
    async with database.reading() as session:
        assert (await read_head(session)).position == 40_000
        for statement, more in ((sql._TALLY, {"added": 1}), (sql._OUTCOMES, {})):  # noqa: SLF001 - the plans of the very statements
            explained = text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement.text}")
            for node in nodes((await session.execute(explained, given | more)).scalar_one()[0]):
                rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                looked_at[node.get("Relation Name") or node["Node Type"]] += (
                    node["Actual Loops"] * rows
                )
                looked_at[node["Node Type"] + " " + node.get("CTE Name", "")] += 1
    crm = [RegisteredDatabase(number, "crm", "CRM", "p", DAY) for number in (1, 2)]
    found = await measure(database, crm, DAY, now())
    # In stretches; the first entry was there before them.
    assert (found.told, found.acknowledged) == (2 * 39_999, 2 * 39_999)
    async with database.reading() as session:
        # After five times PostgreSQL would keep one plan for any period.
        for _ in range(8):
            await measure_silence(session, Period(DAY, now(), 30_000, 32_000), range(1, 41))
        read = text("""
            SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
            FROM pg_stat_xact_user_tables WHERE relname = 'journal_entries'
        """)
        assert await session.scalar(read) <= 8 * 20_000, "half of the journal"
    # Each entry once for what it is, once for whom it concerns; each proof once; each outcome once.
    assert looked_at["journal_entries"] <= 2 * 2_000 + 40 * 20, looked_at
    assert looked_at["acknowledgements"] <= 40 * 21, looked_at
    assert looked_at["early_acknowledgements"] == 0, looked_at
    assert looked_at["outcomes"] <= 40 * 20, looked_at
    # And whom an entry concerns is counted once.
    assert looked_at["CTE Scan audiences"] == 1, looked_at


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """List a plan's nodes."""
    for node in (plan["Plan"],) if "Plan" in plan else plan.get("Plans", ()):
        yield node
        yield from nodes({"Plans": node.get("Plans", ())})


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
