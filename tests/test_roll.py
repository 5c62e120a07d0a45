"""However the rows of a file are looked up, the answers are the same."""

import random

import pytest

from app.checks.lookups import LookUps
from app.checks.scrubs import Scrub
from app.journal import Media
from app.platform.db import Database
from app.scrubbing import roll
from app.scrubbing import suppressed as suppressed_module
from app.scrubbing.answers import Block
from app.scrubbing.suppressed import Suppressed
from tests.acts import Registry, minute, phone

PEOPLE = 40
MANY = 1_000_000


async def test_the_roll_tells_what_look_ups_tell(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, chance = Registry(database), random.Random(7)  # noqa: S311 - no secret
    for _ in range(150):
        await registry.object(
            phone(chance.randrange(PEOPLE)),
            media=Media(chance.randrange(1, 32)),
            brand=chance.randrange(3),
            at=minute(chance.randrange(10_000)),
        )
    for number in range(0, PEOPLE, 3):
        await registry.reinstate(phone(number), media=Media.VOICE)
    monkeypatch.setattr(roll, "_PAGE", 7)
    monkeypatch.setattr(suppressed_module, "PART", 9)
    assert await roll.ids_worth_reading(database, rows=0) == 0
    everybody = await roll.ids_worth_reading(database, rows=MANY)
    keys = registry.keys.digests
    digests = [keys.digest(phone(number))[1] for number in range(PEOPLE + 5)]
    group = b"".join([*digests, bytes(16), *digests])
    look_ups = LookUps(database, keys.numbers)
    told = set()
    for medium in (Media.VOICE, Media.SMS):
        for brand in (None, 1, 2):
            asked = Scrub(medium, brand, "FR", None, "all", minute(0))
            by_roll, one_by_one = Block.begin((group,), ()), Block.begin((group,), ())
            for ids, block in ((everybody, by_roll), (0, one_by_one)):
                suppressed = Suppressed(database, look_ups, asked, rows=0, ids=ids)
                assert suppressed.parts == (0 if ids == 0 else -(-ids // 9))
                await suppressed.decide(block)
                for part in range(1, suppressed.parts):
                    (await suppressed.part(part)).decide(block)
                await suppressed.stop()
            assert by_roll.codes.tolist() == one_by_one.codes.tolist()
            assert by_roll.sinces.tolist() == one_by_one.sinces.tolist()
            told.add(by_roll.codes.tobytes())
    assert len(told) > 2, "it did not matter what was asked"
    await look_ups.stop()
