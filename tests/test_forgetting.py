"""What the worker deletes of the people who sign in, once it is past its time."""

from datetime import timedelta

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
