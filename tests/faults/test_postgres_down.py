"""PostgreSQL stopped under load: refused in time and in words, resumed by itself, nothing lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.parties import NewKey, create_key
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.embedded import Embedded
from app.platform.schema import upgrade
from app.settings import Settings
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.embedding import postmaster
from tests.faults.crowd import Crowd, number, prepare, until
from tests.servers import optout, serving
from tests.test_parties import problem

CHECK = {"phone": number(0), "medium": "voice"}
BATCH = {"items": [{"phone": number(0)}], "medium": "voice"}


@pytest.fixture
def postgres_of_its_own(tmp_path: Path, binaries: Path) -> Embedded:
    """Make a durable PostgreSQL that can be stopped."""
    return Embedded(tmp_path / "postgres", binaries=binaries)


@pytest.fixture
async def key(postgres_of_its_own: Embedded) -> AsyncIterator[str]:
    """Start it with an empty registry, and make an administrator's key."""
    with postgres_of_its_own as embedded:
        await asyncio.to_thread(upgrade, embedded.url(), init=True)
        database = Database.open(embedded.url(), Settings())
        async with database.transaction() as session:
            new = NewKey("test", ("admin",), None, None)
            text = (await create_key(session, new, actor="tests", at=now())).text
        await database.close()
        yield text


def refused(answer: httpx.Response) -> None:
    """See that an answer says that the registry cannot answer now, and no more."""
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    told = problem(answer)
    assert (told["type"], told["status"]) == ("/problems/unavailable", 503)
    assert "allow" not in answer.text


async def test_an_outage_under_load_is_503_and_passes_without_loss(
    postgres_of_its_own: Embedded, key: str, tmp_path: Path
) -> None:
    environment = {
        "OPTOUT_DATABASE_URL": postgres_of_its_own.url(),
        "OPTOUT_DIGEST_KEYS": DIGEST_KEYS,
        "OPTOUT_SEALING_KEYS": SEALING_KEYS,
    }
    folder = tmp_path / "registry"
    crowd, people, stop = Crowd(), count(), asyncio.Event()

    async def keep_objecting(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            await crowd.object(client, next(people))

    async def ready(client: httpx.AsyncClient) -> None:
        async with asyncio.timeout(30):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - elsewhere
                await asyncio.sleep(0.05)

    with serving(folder, "--no-worker", port=None, **environment) as served:
        async with httpx.AsyncClient(
            base_url=served.url, headers={"Authorization": f"Bearer {key}"}, timeout=30
        ) as admin:
            await prepare(admin)
            load = [asyncio.create_task(keep_objecting(admin)) for _ in range(16)]
            await until(lambda: len(crowd.receipts) > 50)
            await asyncio.to_thread(postgres_of_its_own.stop)
            before = len(crowd.receipts)
            await until(lambda: len(crowd.refused) > 50)
            assert len(crowd.receipts) <= before + len(load)
            refused(await admin.post("/v1/checks", json=CHECK))
            refused(await admin.post("/v1/checks/batch", json=BATCH))
            refused(await admin.get("/v1/opt-outs"))
            refused(await admin.get("/readyz"))
            assert (await admin.get("/healthz")).status_code == 200
            postgres_of_its_own.start()
            await ready(admin)
            after = len(crowd.receipts)
            await until(lambda: len(crowd.receipts) > after + 50)
            stop.set()
            await asyncio.gather(*load)
            for answer in crowd.refused:
                refused(answer)
            assert not crowd.broken, "every request was answered"
            await crowd.hold(admin)
    verified = optout("verify", folder=folder, **environment)
    assert (verified.returncode, verified.stdout.strip()[-5:]) == (0, "whole"), verified.stderr


async def test_a_postgres_that_stands_still_is_503_in_time_too(
    postgres_of_its_own: Embedded,
) -> None:
    with postgres_of_its_own as embedded:
        settings = Settings(statement_timeout_seconds=1, lock_timeout_seconds=1)
        database = Database.open(embedded.url(), settings)
        await _ask(database)
        standing = [postmaster(embedded), *_children(postmaster(embedded))]
        for process in standing:
            os.kill(process, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                with pytest.raises(Unavailable):
                    await _ask(database)
        finally:
            for process in standing:
                os.kill(process, signal.SIGCONT)
        await _ask(database)
        await database.close()


async def _ask(database: Database) -> None:
    async with database.reading() as session:
        assert await session.scalar(text("SELECT 1")) == 1


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [*map(int, listed.split())]
