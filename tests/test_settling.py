"""What cannot be written down or told: it fails alone, is shown on its database, is tried again."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from app.delivery.settling import Result, early_settler, main_settler
from app.journal import EarlyStep, Report, Step, follow, read_followers
from app.journal import Result as Done
from app.platform.db import Database
from app.points import find_point
from app.settings import Settings
from tests.acts import Registry, minute, phone
from tests.receivers import (
    acknowledged,
    attempts,
    hasty,
    receiver,
    register,
    standing,
    until,
    without_gap,
    working,
)
from tests.test_followers import do
from tests.test_journal import ALL, write
from tests.test_poison import last_error, make_due


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def followed(database: Database, followers: int) -> None:
    """Begin to follow, so many at once, then write three entries."""
    for follower in range(1, followers + 1):
        await do(database, follow, follower, ALL, after=0, pushed=True)
    await write(database, 1, 2, 3)


IMPOSSIBLE = (Report(1, Done.APPLIED, None, 2**40),)


async def test_one_bad_result_fails_alone_on_the_main_lane(database: Database) -> None:
    await followed(database, 4)
    settler = main_settler(database)
    steps = [Step(n, 0, 0, 3, 3, 3, 500, minute(1)) for n in range(1, 5)]
    results = [Result(step) for step in steps[:3]] + [Result(steps[3], reports=IMPOSSIBLE)]
    answers = await asyncio.gather(
        *(settler.settle(one) for one in results), return_exceptions=True
    )
    assert answers[:3] == [True] * 3
    assert isinstance(answers[3], Exception)
    states = await do(database, read_followers)
    assert [states[n].acknowledged for n in range(1, 5)] == [3, 3, 3, 0]
    assert await settler.settle(Result(steps[3])), "the settler goes on"


async def test_one_bad_result_fails_alone_on_the_express_lane(database: Database) -> None:
    await followed(database, 2)
    settler = early_settler(database)
    good, bad = (
        EarlyStep(n, 0, 0, 0, 3, acknowledged=True, batch_limit=9, at=minute(1)) for n in (1, 2)
    )
    answers = await asyncio.gather(
        settler.settle(Result(good)),
        settler.settle(Result(bad, reports=IMPOSSIBLE)),
        return_exceptions=True,
    )
    assert answers[0] is True
    assert isinstance(answers[1], Exception)


async def damage(registry: Registry, number: int) -> bytes:
    """Damage what is sealed of a person, and give it back whole."""
    async with registry.database.transaction() as session:
        point = await find_point(session, registry.keys, phone(number))
        assert point is not None
        whole = await session.scalar(
            text("SELECT sealed FROM contact_points WHERE id = :id"), {"id": point}
        )
        await session.execute(
            text("UPDATE contact_points SET sealed = overlay(sealed placing '\\x00'::bytea from 9)"
                 " WHERE id = :id"),
            {"id": point},
        )  # fmt: skip
    return bytes(whole)


async def test_what_cannot_be_shown_stands_in_last_error_and_is_told_once_it_can(
    admin: httpx.AsyncClient, registry: Registry
) -> None:
    async with receiver() as crm, receiver() as mailer:
        await register(admin, crm.url)
        await register(admin, mailer.url, "mailer", kinds=["email"])
        for number in range(1, 7):
            await registry.object(phone(number))
        whole = await damage(registry, 3)
        async with working(registry.database.settings):
            await acknowledged(admin, 6, "mailer")
            stands = await last_error(admin, "internal: ")
            assert stands["last_error"] == (
                "internal: the entries after position 0 cannot be told (Unsealable); "
                "the worker's log says more"
            )
            assert stands["state"] == "failing"
            assert (await attempts(admin))[0]["error"] == "internal"

            async def told_before_and_after_it() -> bool:
                await make_due(registry.database)
                early = {position for one in crm.early for position in one.positions}
                at = (await standing(admin))["acknowledged_position"]
                return bool(early >= {4, 5, 6} and at == 2)

            await until(told_before_and_after_it)
            assert {1, 2} == {p for one in crm.main for p in one.positions}
            async with registry.database.transaction() as session:
                point = await find_point(session, registry.keys, phone(3))
                assert point is not None
                await session.execute(
                    text("UPDATE contact_points SET sealed = :whole WHERE id = :id"),
                    {"whole": whole, "id": point},
                )
            await make_due(registry.database)
            await acknowledged(admin, 6)
        assert (await standing(admin))["last_error"] is None
        assert without_gap(crm.told)
