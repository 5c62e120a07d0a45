"""The processes that compute for a scrub answer as a thread of its own does."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest

from app.files import Batch, read_batches
from app.journal import Kind, Media
from app.platform.db import Unavailable
from app.points import PointKeys
from app.scrubbing.answers import ALLOW, BLOCK, Block
from app.scrubbing.campaigns import Campaign, read_campaign
from app.scrubbing.digesting import Digester, beginning
from app.scrubbing.processes import Processes
from app.scrubbing.writing import pack_rows
from app.settings import Settings

ROWS = 12_000


@pytest.fixture
def keys(settings: Settings) -> PointKeys:
    return PointKeys.from_settings(settings)


@pytest.fixture
async def processes(keys: PointKeys) -> AsyncIterator[Processes]:
    """Processes that have begun."""
    made = Processes(2, beginning(keys.digests))
    await begun(made)
    yield made
    made.stop()


async def begun(processes: Processes) -> None:
    """Wait until it is a process that answers."""
    for _ in range(1_000):
        if await processes.run(os.getpid, rows=ROWS) != os.getpid():
            return
        await asyncio.sleep(0.05)
    pytest.fail("no process has begun")


async def asked_for_long(processes: Processes) -> None:
    """Ask them again and again."""
    for _ in range(100):
        await processes.run(os.getpid, rows=ROWS)
        await asyncio.sleep(0.05)


def campaign() -> tuple[Campaign, list[Batch]]:
    """Read a campaign of some thousand rows."""
    rows = (f"{n};{'' if n % 7 else '+'}06 39 98 {n // 100:02} {n % 100:02}\n" for n in range(ROWS))
    source = io.BytesIO(("id;phone\n" + "".join(rows)).encode())
    found = read_campaign(source, medium=Media.VOICE, column="phone")
    return found, list(read_batches(source, found.layout, raws_only=True))


async def test_they_digest_and_write_what_a_thread_would(
    processes: Processes, keys: PointKeys
) -> None:
    alone = Processes(0, beginning(keys.digests))
    read, batches = campaign()
    cells = read.column(batches)
    assert cells is not None
    told = [
        await Digester(keys.digests, some).read(Kind.PHONE, cells, region="FR")
        for some in (processes, alone)
    ]
    assert told[0] == told[1]
    block = Block.begin(told[0][0], ())
    assert np.count_nonzero(block.codes) > ROWS // 10, "some cannot be understood"
    block.codes[block.codes == ALLOW] = np.arange(np.count_nonzero(block.codes == ALLOW)) % 2
    block.sinces[block.codes == BLOCK] = 1_772_600_767_000_008
    written = [
        await some.run(pack_rows, read, batches, block.without_digests(), None, rows=ROWS)
        for some in (processes, alone)
    ]
    assert written[0] == written[1]


async def test_one_that_is_killed_is_replaced_when_it_is_asked_again(processes: Processes) -> None:
    killed = await processes.run(os.getpid, rows=ROWS)
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(Unavailable, match="was ended"):
        await asked_for_long(processes)
    assert await processes.run(os.getpid, rows=ROWS) == os.getpid(), "none has begun yet"
    await begun(processes)
