"""The places of databases that pull: what does not concern them makes no lag."""

import httpx

from app.delivery import pass_over_strangers
from app.journal import Media
from app.platform.db import Database
from tests.acts import Registry, phone
from tests.receivers import register, standing


async def test_what_does_not_concern_a_database_that_pulls_makes_no_lag(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin, media=["email"], delivery={"mode": "pull"})
    for number in range(3):
        await registry.object(phone(number), media=Media.VOICE)
    await pass_over_strangers(database)
    stands = await standing(admin)
    assert (stands["acknowledged_position"], stands["lag_entries"]) == (3, 0)


async def test_the_place_stops_before_what_was_not_acknowledged(
    admin: httpx.AsyncClient, database: Database, registry: Registry
) -> None:
    await register(admin, media=["email"], delivery={"mode": "pull"})
    await registry.object(phone(1), media=Media.VOICE)
    await registry.object(phone(2), media=Media.EMAIL)
    await registry.object(phone(3), media=Media.VOICE)
    for _ in range(2):
        await pass_over_strangers(database)
    stands = await standing(admin)
    assert (stands["acknowledged_position"], stands["lag_entries"]) == (1, 2)
