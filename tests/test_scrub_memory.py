"""Memory of scrubs: what one held is given back when it ends, not when garbage is looked for.

The process of jobs looks for garbage hardly ever, since rows leave none.
"""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from app.files import Batch
from app.platform.db import Database
from app.scrubbing import roll
from app.scrubbing.answers import Answers, Block
from app.scrubbing.roll import Roll
from app.scrubbing.sieve import Sieve
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.scrubbing import refreshed, scrub, working

LIST = "phone\n" + "".join(f"{phone(number).value}\n" for number in range(6))
LARGE = (Answers, Batch, Block, Roll, Sieve)


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("worth", [0, 1])
async def test_nothing_large_is_held_after_a_scrub(
    database: Database, caller: Caller, monkeypatch: pytest.MonkeyPatch, worth: int
) -> None:
    registry = Registry(database)
    await registry.object(phone(0), at=minute(1))
    monkeypatch.setattr(roll, "_WORTH", worth)
    client = await caller("checks")
    async with working(database):
        job = await scrub(client, LIST.encode(), medium="voice")
        assert job["counts"]["block"] == 1
        await registry.object(phone(1), at=minute(2))
        changed = await refreshed(client, job)
        assert changed["counts"]["block"] == 1
        # The job has ended; its task has a turn or two to go.
        await asyncio.sleep(0.1)
        assert [type(one).__name__ for one in gc.get_objects() if isinstance(one, LARGE)] == []
