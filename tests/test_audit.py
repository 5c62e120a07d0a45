"""The audit: added to and never rewritten, listed by any filter without reading the rest."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.parties import Acts, list_audit, note
from app.platform.clock import now
from app.platform.db import Database
from app.platform.pages import write_cursor
from tests.test_parties import acts, made, problem

DAY = datetime(2026, 5, 5, tzinfo=UTC)
MANY = 20_000


@pytest.mark.parametrize(
    "rewriting",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE false",
        "TRUNCATE audit",
        "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    ],
)
async def test_nobody_rewrites_it(database: Database, rewriting: str) -> None:
    async with database.transaction() as session:
        await note(session, "tests", "brand.created", "brand:b", now())
    with pytest.raises(DBAPIError, match="audit is only ever added to"):
        async with database.transaction() as session:
            await session.execute(text(rewriting))
    async with database.reading() as session:
        (act,) = await list_audit(session, Acts(), limit=10)
    assert (act.actor, act.action) == ("tests", "brand.created")


@pytest.fixture
async def full(database: Database) -> Database:
    """Let an act have been done every minute, by ten actors in turn; every 10,000th is rare."""
    async with database.transaction() as session:
        await session.execute(
            text("""
                INSERT INTO audit (id, at, actor, action, subject, detail)
                SELECT gen_random_uuid(), CAST(:day AS timestamptz) + n * interval '1 minute',
                       'actor ' || n % 10,
                       CASE WHEN n % 10000 = 0 THEN 'rare' ELSE 'common' END,
                       'subject ' || n % 5000, '{}'
                FROM generate_series(1, CAST(:many AS int)) AS n
            """),
            {"day": DAY, "many": MANY},
        )
    async with database.transaction() as session:
        await session.execute(text("ANALYZE audit"))
    return database


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Acts(), 50),
        (Acts(actor="actor 3"), 50),
        (Acts(actor="cli"), 0),
        (Acts(action="rare"), 2),
        (Acts(subject="subject 17"), 4),
        (Acts(since=DAY, until=DAY + timedelta(hours=1)), 50),
        (Acts(actor="actor 3", since=DAY, until=DAY + timedelta(hours=1)), 6),
        (Acts(subject="subject 17", action="rare"), 0),
    ],
)
async def test_a_list_reads_what_it_shows_and_hardly_more(
    full: Database, wanted: Acts, found: int
) -> None:
    async with full.reading() as session:
        assert len(await list_audit(session, wanted, limit=50)) == found
        read = await session.execute(
            text("""
                SELECT seq_tup_read AS all, idx_tup_fetch AS some
                FROM pg_stat_xact_user_tables WHERE relname = 'audit'
            """)
        )
        counted = read.one()
    assert counted.all == 0
    assert counted.some <= 60


async def test_pages_hold_every_act_once_even_those_of_one_instant(
    admin: httpx.AsyncClient, database: Database
) -> None:
    at = now()
    async with database.transaction() as session:
        for number in range(7):
            await note(session, "tests", "brand.created", f"brand:{number}", at)
    seen: list[str] = []
    query = {"limit": "3", "action": "brand.created"}
    while True:
        page = (await admin.get("/v1/audit", params=query)).json()
        seen += [act["subject"] for act in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert sorted(seen) == [f"brand:{number}" for number in range(7)]


async def test_it_is_listed_by_subject(admin: httpx.AsyncClient) -> None:
    for slug in ("a", "b"):
        await made(admin, "/v1/brands", {"slug": slug, "name": slug})
    await admin.patch("/v1/brands/a", json={"name": "A"})
    told = await acts(admin, subject="brand:a")
    assert [(act["action"], act["detail"]) for act in told] == [
        ("brand.changed", {"name": ["a", "A"]}),
        ("brand.created", {"name": "a"}),
    ]
    assert await acts(admin, subject="' OR true --") == []


@pytest.mark.parametrize(
    "cursor",
    [
        write_cursor(UUID(int=7)),
        write_cursor(UUID(int=7), now()),
        write_cursor("2026-05-05", UUID(int=7)),
        write_cursor("0001-01-01T00:00:00+14:00", UUID(int=7)),
    ],
)
async def test_a_cursor_of_another_shape_is_422(admin: httpx.AsyncClient, cursor: str) -> None:
    answer = await admin.get("/v1/audit", params={"cursor": cursor})
    assert answer.status_code == 422
    assert problem(answer)["type"] == "/problems/bad-cursor"
