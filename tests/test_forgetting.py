"""What the worker deletes of the people who sign in, once it is past its time."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from app.accounts import (
    Limit,
    begin_session,
    count_try,
    find_ticket,
    find_visit,
    issue_ticket,
    was_seen,
)
from app.platform.clock import now
from app.platform.db import Database
from app.platform.ids import least_id
from tests.desk import count
from tests.people import let_in
from tests.receivers import until, working

ONCE = Limit(1, timedelta(hours=1))


async def test_the_worker_deletes_what_is_over_of_sign_ins_and_nothing_else(
    database: Database,
) -> None:
    at, long_ago = now(), now() - timedelta(days=3)
    user, other = await let_in(database, "a"), await let_in(database, "b")
    async with database.transaction() as session:
        present = await begin_session(session, user.id, whole=True, browser="", at=at)
        over = await begin_session(session, user.id, whole=True, browser="", at=long_ago)
        await was_seen(session, over, at=at)  # not idle: its working day is over
        await begin_session(session, user.id, whole=True, browser="", at=at - timedelta(hours=1))
        link = await issue_ticket(session, user.id, at=at)
        await issue_ticket(session, other.id, at=long_ago)
        await count_try(session, "old", ONCE, at=long_ago)
        assert await count_try(session, "new", ONCE, at=at)

    async def left() -> list[int]:
        return [await count(database, table) for table in ("sessions", "tickets", "tries")]

    assert await left() == [3, 2, 2]

    async def is_tidy() -> bool:
        return await left() == [1, 1, 1]

    async with working(database.settings):
        await until(is_tidy)
    async with database.transaction() as session:
        assert await find_visit(session, present, at=at) is not None
        assert (await find_ticket(session, link, at=at)).user.id == user.id
        assert not await count_try(session, "new", ONCE, at=at), "what counts was forgotten"
        users = await session.scalar(text("SELECT count(*) FROM users"))
    assert users == 2


async def test_the_worker_deletes_what_old_files_refused_and_old_scrubs_and_no_record_of_an_import(
    database: Database,
) -> None:
    fresh, old = least_id(now() - timedelta(days=89)), least_id(now() - timedelta(days=91))
    async with database.transaction() as session:
        for number, at in ((fresh, "fresh"), (old, "old")):
            for kind, step in (("import", 0), ("scrub", 1), ("contacts", 2), ("void", 3)):
                await session.execute(
                    text("""
                        INSERT INTO jobs (id, kind, key, state, params, created_at)
                        VALUES (:id, :kind, 1, 'done', '{}', now())
                    """),
                    {"id": UUID(int=number.int + step), "kind": kind},
                )
            values = {"file": number, "job": UUID(int=number.int + 2), "at": at}
            await session.execute(
                text("""
                    INSERT INTO imports (id, recorded_at, occurred_at, dated, dry_run, key, channel,
                        brand, media, reason, region, sha256, size)
                    VALUES (:file, now(), now(), false, false, 1, 1, 0, 1, 0, 'FR', '', 1)
                """),
                values,
            )
            for refused in (
                "INSERT INTO import_refusals VALUES (:file, 1, 1, :at, '', '')",
                "INSERT INTO contact_refusals VALUES (:job, 1, 1, :at, '', '')",
            ):
                await session.execute(text(refused), values)
        # One that has not ended is still to be done, however old.
        await session.execute(
            text("""
                INSERT INTO jobs (id, kind, key, params, created_at)
                VALUES (:id, 'scrub', 1, '{}', now())
            """),
            {"id": UUID(int=old.int + 4)},
        )

    async def is_tidy() -> bool:
        tables = ("import_refusals", "contact_refusals", "jobs", "imports")
        return [await count(database, table) for table in tables] == [1, 1, 8, 2]

    async with working(database.settings):
        await until(is_tidy)
    async with database.reading() as session:
        left = await session.scalars(
            text("""
                SELECT "column" FROM import_refusals UNION ALL SELECT "column" FROM contact_refusals
            """)
        )
        assert [*left] == ["fresh", "fresh"]
        states = await session.scalars(text("SELECT state FROM jobs WHERE kind = 'scrub'"))
        assert sorted(states) == ["done", "queued"]
