"""Rotating digest keys: nobody is missed, nobody becomes two, whoever lacks a key says nothing."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.checks.lookups import LookUps
from app.intake.receipts import read_receipt
from app.journal import Media
from app.platform.db import Database, Unavailable
from app.platform.vault import KeysUnfit, register_keys
from app.points import claim_points, find_point, rekey_points
from tests.acts import Registry, phone
from tests.desk import PHONE, asked, objected, register
from tests.test_parties import problem

OLD, NEW = (f"{number}:{base64.b64encode(bytes([96 + number]) * 32).decode()}" for number in (1, 2))


def holding(database: Database, *keys: str) -> Registry:
    """Open the registry as a process with these digest keys does, the first of which writes."""
    ring = {"digest_keys": SecretStr(",".join(keys))}
    settings = database.settings.model_copy(update=ring)
    return Registry(Database(database.url, settings, database.write_engine, database.read_engine))


async def start(registry: Registry) -> Registry:
    """Make its keys known, as a process does that starts."""
    async with registry.database.transaction() as session:
        await register_keys(session, "digest", registry.keys.digests.ring)
    return registry


async def rekey(registry: Registry) -> None:
    """Bring everybody to the current key."""
    after: int | None = 0
    while after is not None:
        async with registry.database.transaction() as session:
            after = await rekey_points(session, registry.keys, after=after)


async def under(database: Database) -> dict[int, int]:
    """Count contact points by the number of their key."""
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT key_number, count(*) FROM contact_points GROUP BY key_number")
        )
        return {int(number): int(count) for number, count in rows}


@asynccontextmanager
async def allowed(registry: Registry) -> AsyncIterator[set[int]]:
    """Ask about ten people: the numbers of those who may be called."""
    look_ups = LookUps(registry.database, registry.keys.digests.numbers)
    try:
        answers = [
            await registry.allows(look_ups, [phone(number)], Media.VOICE, None)
            for number in range(10)
        ]
        yield {number for number, allows in enumerate(answers) if allows}
    finally:
        await look_ups.stop()


async def test_a_rotation_misses_nobody_from_end_to_end(database: Database) -> None:
    old = await start(holding(database, OLD))
    await old.object(*(phone(number) for number in range(8)))
    erasure = await old.erase(phone(7))
    await old.destroy(erasure)
    new = await start(holding(database, NEW, OLD))
    async with allowed(new) as free:
        assert free == {8, 9}
    receipt = await new.object(phone(0), media=Media.VOICE)
    assert [one.version for one in receipt.suppressed] == [2], (
        "the same row, brought to the new key"
    )
    await new.object(phone(8))
    assert await under(database) == {1: 7, 2: 2}
    await rekey(new)
    assert await under(database) == {1: 1, 2: 8}, "who was erased keeps the old key"
    async with allowed(new) as free:
        assert free == {9}
    receipt = await new.object(*(phone(number) for number in range(10)))
    assert [one.version for one in receipt.suppressed] == [3, 2, 2, 2, 2, 2, 2, 3, 2, 1]
    assert await under(database) == {2: 10}, "who was erased and is back is known, and told anew"


async def test_what_was_resealed_opens_and_a_key_once_used_cannot_be_left_out(
    database: Database,
) -> None:
    old = await start(holding(database, OLD))
    first = await old.object(phone(1))
    new = await start(holding(database, NEW, OLD))
    await rekey(new)
    async with database.reading() as session:
        receipt = await read_receipt(session, new.keys, first.opt_out)
    assert [one.masked for one in receipt.suppressed] == ["+33 6 •• •• •• 01"]
    with pytest.raises(KeysUnfit):
        await start(holding(database, NEW))


async def test_a_process_that_lacks_a_key_neither_answers_nor_writes(database: Database) -> None:
    old = await start(holding(database, OLD))
    await old.object(phone(1))
    await start(holding(database, NEW, OLD))
    acts: list[Awaitable[object]] = [
        old.object(phone(2)),
        old.reinstate(phone(1)),
        old.erase(phone(1)),
        asking(old),
        searching(old),
    ]
    for act in acts:
        with pytest.raises(Unavailable, match="digest key 2"):
            await act
    assert await under(database) == {1: 1}


async def asking(registry: Registry) -> None:
    """Check one person."""
    async with allowed(registry):
        raise AssertionError("it answered")


async def searching(registry: Registry) -> None:
    """Look one person up."""
    async with registry.database.reading() as session:
        await find_point(session, registry.keys, phone(1))


async def test_a_server_that_lacks_a_key_answers_503_to_everything_about_people(
    admin: httpx.AsyncClient, database: Database
) -> None:
    await register(admin)
    await objected(admin)
    assert (await asked(admin))["decision"] == "block"
    known = database.settings.digest_keys
    assert known is not None
    await start(holding(database, NEW, known.get_secret_value()))
    batch = {"medium": "voice", "items": [{"phone": PHONE["value"]}]}
    for path, body in (
        ("/v1/checks", {"medium": "voice", "phone": PHONE["value"]}),
        ("/v1/checks/batch", batch),
        ("/v1/opt-outs", {"identifiers": [PHONE], "channel": "web"}),
        ("/v1/suppressions/search", {"identifier": PHONE}),
        ("/v1/erasures", {"identifiers": [PHONE]}),
    ):
        answer = await admin.post(path, json=body)
        assert answer.status_code == 503, path
        assert answer.headers["retry-after"] == "1"
        told = problem(answer)
        assert (told["type"], "digest key 2" in told["detail"]) == ("/problems/unavailable", True)


async def test_processes_that_differ_in_which_key_writes_never_make_two_of_one_person(
    database: Database,
) -> None:
    one = await start(holding(database, OLD, NEW))
    other = await start(holding(database, NEW, OLD))
    people = [phone(number) for number in range(6)]

    async def object_often(registry: Registry, first: int) -> None:
        for turn in range(6):
            await registry.object(*(people[(first + turn + n) % 6] for n in range(3)))

    await asyncio.gather(
        *(object_often(registry, first) for first in range(3) for registry in (one, other)),
        rekey(other),
        rekey(one),
        rekey(other),
    )
    async with database.reading() as session:
        rows = await session.execute(text("SELECT count(*), sum(version) FROM suppressions"))
        assert rows.one() == (6, 6 * 6 * 3), "108 entries about six people, not more"


async def test_a_writer_under_way_ends_before_a_new_key_is_known(database: Database) -> None:
    old = await start(holding(database, OLD))
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow_writer() -> None:
        async with database.transaction() as session:
            await claim_points(session, old.keys, [phone(1)])
            arrived.set()
            await go_on.wait()

    async def new_process() -> Registry:
        new = await start(holding(database, NEW, OLD))
        await new.object(phone(1))
        return new

    writer = asyncio.create_task(slow_writer())
    await arrived.wait()
    starting = asyncio.create_task(new_process())
    await asyncio.sleep(0.3)
    assert not starting.done(), "the new key waits for whoever writes without it"
    go_on.set()
    await writer
    await starting
    assert await under(database) == {2: 1}


async def test_many_processes_start_at_once_with_a_new_key(database: Database) -> None:
    registries = [holding(database, NEW, OLD) for _ in range(6)]
    await asyncio.gather(*map(start, registries))
    await asyncio.gather(*(registry.object(phone(1)) for registry in registries))
    assert await under(database) == {2: 1}
