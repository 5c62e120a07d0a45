"""Erasures: everybody is told, the value is destroyed, and checks go on blocking."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from app.journal import EVERY_MEDIUM, Kind, Scope, acknowledge, follow, restart, rewind
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import Registry, phone
from tests.desk import (
    EMAIL,
    EMAIL_MASKED,
    FULL,
    MONDAY,
    PHONE,
    PHONE_MASKED,
    TUESDAY,
    count,
    decided,
    drop,
    followed_by,
    objected,
    post,
    register,
    reinstated,
)
from tests.test_keys import with_database


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


async def test_an_erasure_tells_everybody_then_destroys_the_value_and_still_blocks(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await followed_by(database, Scope(frozenset(Kind), EVERY_MEDIUM, None))
    receipt = (await post(desk, "/v1/opt-outs", FULL)).json()
    await objected(desk, brand="choucroute", media=["voice"])
    await post(desk, f"/v1/opt-outs/{receipt['id']}/void", {"reason": "took Jo for Jo's sister"})
    answer = await post(desk, "/v1/erasures", {"identifiers": [PHONE], "reference": "dsar-7"})
    assert answer.status_code == 201
    erasure = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/erasures/{erasure}"
    assert drop(answer.json(), "id", "recorded_at") == {
        "position": 6,
        "identifiers": [{**PHONE_MASKED, "known": True}],
    }
    registry = Registry(database)
    month = timedelta(days=30)
    assert not await registry.destroy(erasure, waiting=month), "the database has not heard yet"
    async with database.transaction() as session:
        await acknowledge(session, 1, 6, now())
    await objected(desk, media=["voice"])
    assert not await registry.destroy(erasure, waiting=month), "nor of the opt-out that came since"
    async with database.transaction() as session:
        await acknowledge(session, 1, 7, now())
    assert await registry.destroy(erasure, waiting=month)
    assert not await registry.destroy(erasure, waiting=month)
    state = (await desk.get(f"/v1/erasures/{erasure}")).json()
    assert drop(state, "id", "recorded_at", "completed_at") == {"reference": "dsar-7"}
    assert await decided(desk, brand="choucroute") == "block"
    shown = (await desk.get(f"/v1/opt-outs/{receipt['id']}")).json()["suppressions"]
    assert [one["masked"] for one in shown] == ["•••", EMAIL_MASKED["masked"]]
    async with database.reading() as session:
        rows = await session.execute(
            text("""
                SELECT recorded_by, reference, evidence, void_reason, voided_by IS NOT NULL
                FROM opt_outs ORDER BY id LIMIT 1
            """)
        )
        assert rows.one() == (None, None, None, None, True)
        left = await session.execute(
            text("SELECT sealed IS NULL, erased_at IS NULL FROM contact_points ORDER BY kind")
        )
        assert [tuple(row) for row in left] == [(True, False), (False, True)]


async def test_an_erasure_waits_for_nobody_longer_than_its_days(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await followed_by(database, Scope(frozenset(Kind), EVERY_MEDIUM, None))
    await objected(desk)
    erasure = (await post(desk, "/v1/erasures", {"identifiers": [PHONE]})).json()["id"]
    assert (await desk.get(f"/v1/erasures/{erasure}")).json()["completed_at"] is None
    assert await Registry(database).destroy(erasure, waiting=timedelta(0))
    assert await decided(desk) == "block"


@pytest.mark.parametrize("again", ["restart", "replay", "register"])
async def test_an_erasure_waits_for_whoever_begins_again_after_acknowledging_it(
    desk: httpx.AsyncClient, database: Database, again: str
) -> None:
    scope = Scope(frozenset(Kind), EVERY_MEDIUM, None)
    await followed_by(database, scope)
    await objected(desk)
    erasure = (await post(desk, "/v1/erasures", {"identifiers": [PHONE]})).json()["id"]
    async with database.transaction() as session:
        await acknowledge(session, 1, 2, now())
        if again == "restart":
            await restart(session, 1, scope, pushed=True)
        elif again == "replay":
            await rewind(session, 1, to=0)
        else:
            await with_database(database, "crm-2")
            await follow(session, 2, scope, after=0, pushed=True)
    registry = Registry(database)
    month = timedelta(days=30)
    follower = 2 if again == "register" else 1
    assert not await registry.destroy(erasure, waiting=month), "it hears the name again"
    async with database.transaction() as session:
        await acknowledge(session, follower, 1, now())
    assert not await registry.destroy(erasure, waiting=month), "but not yet that it is erased"
    async with database.transaction() as session:
        await acknowledge(session, follower, 2, now())
    assert await registry.destroy(erasure, waiting=month)


async def test_an_erasure_waits_for_nobody_who_begins_after_it(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await objected(desk)
    erasure = (await post(desk, "/v1/erasures", {"identifiers": [PHONE]})).json()["id"]
    await with_database(database, "crm-1")
    async with database.transaction() as session:
        await follow(session, 1, Scope(frozenset(Kind), EVERY_MEDIUM, None), after=2, pushed=True)
    assert await Registry(database).destroy(erasure, waiting=timedelta(days=30))


async def test_who_was_ever_told_is_told_to_erase_even_where_nothing_stands_any_more(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await objected(desk, media=["voice"], occurred_at=MONDAY)
    await reinstated(desk, occurred_at=TUESDAY)
    await post(desk, "/v1/erasures", {"identifiers": [PHONE]})
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT change, media, touches FROM journal_entries ORDER BY position")
        )
        assert [tuple(row) for row in rows] == [(1, 1, 1), (2, 0, 1), (3, 0, 1)]


async def test_who_was_erased_and_objects_again_is_known_and_can_be_told_again(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await objected(desk, media=["voice"])
    erasure = (await post(desk, "/v1/erasures", {"identifiers": [PHONE]})).json()["id"]
    await Registry(database).destroy(erasure)
    receipt = await objected(desk, media=["sms"])
    (state,) = receipt["suppressions"]
    assert (state["media"], state["version"]) == (["voice", "sms"], 3)
    shown = (await desk.get(f"/v1/opt-outs/{receipt['id']}")).json()["suppressions"]
    assert shown == receipt["suppressions"]


async def test_erasing_somebody_unknown_is_taken_and_tells_nobody(
    desk: httpx.AsyncClient, database: Database
) -> None:
    answer = await post(desk, "/v1/erasures", {"identifiers": [PHONE, EMAIL, PHONE]})
    assert drop(answer.json(), "id", "recorded_at") == {
        "position": None,
        "identifiers": [{**PHONE_MASKED, "known": False}, {**EMAIL_MASKED, "known": False}],
    }
    assert await Registry(database).destroy(answer.json()["id"])
    assert await count(database, "contact_points") == 0
    assert (await desk.get(f"/v1/erasures/{uuid4()}")).status_code == 404


async def test_voids_opt_outs_and_erasures_of_the_same_people_at_once_wait_for_nobody(
    database: Database,
) -> None:
    registry = Registry(database)
    people = [phone(number) for number in range(3)]
    receipts = [await registry.object(*people) for _ in range(8)]
    erasures = [await registry.erase(*people) for _ in range(8)]
    await asyncio.gather(
        *(registry.void(receipt.opt_out.id) for receipt in receipts),
        *(registry.destroy(erasure) for erasure in erasures),
        *(registry.object(*reversed(people)) for _ in range(8)),
    )
    async with database.reading() as session:
        found = await session.execute(text("SELECT media FROM suppressions"))
        assert list(found.scalars()) == [int(EVERY_MEDIUM)] * 3
        added = text("SELECT count(*) FROM journal_entries WHERE change = 1")
        assert await session.scalar(added) == 3 * 16
