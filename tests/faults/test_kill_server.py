"""``kill -9`` of the server while people object: no receipt that somebody holds is lost."""

import asyncio
import signal
from pathlib import Path

import httpx

from tests.faults.crowd import Crowd, prepare, until
from tests.servers import Served, optout, serving

PEOPLE = 1_000


async def test_every_receipt_held_is_in_the_registry_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    crowd = Crowd()
    with serving(folder, "--no-worker") as served:
        async with client(served) as admin:
            await prepare(admin)
            objections = [
                asyncio.create_task(crowd.object(admin, person)) for person in range(PEOPLE)
            ]
            await until(lambda: len(crowd.receipts) > PEOPLE // 5)
            served.end(signal.SIGKILL)
            await asyncio.gather(*objections)
    assert PEOPLE // 5 < len(crowd.receipts) < PEOPLE, "it was killed among them"
    assert crowd.broken
    with serving(folder, "--no-worker") as served:
        async with client(served) as admin:
            await crowd.hold(admin)
            again = next(iter(crowd.receipts))
            await crowd.object(admin, again)
            assert crowd.receipts[again]["suppressions"][0]["version"] == 2
        verified = optout("verify", folder=folder)
        assert verified.returncode == 0, verified.stderr
        assert verified.stdout.strip().endswith("whole")


def client(served: Served) -> httpx.AsyncClient:
    """Make a client that sends a thousand requests at once."""
    return httpx.AsyncClient(
        base_url=served.url,
        headers={"Authorization": f"Bearer {served.admin_key}"},
        timeout=60,
        limits=httpx.Limits(max_connections=PEOPLE),
    )
