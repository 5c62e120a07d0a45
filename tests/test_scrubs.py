"""Scrubs: each row of a file is answered as a single check would be, and comes back as it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.jobs import work
from app.platform.db import Database
from tests.acts import Registry, minute, phone
from tests.conftest import Caller

SINCE = "2026-03-01T00:01:00.000000Z"


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[None]:
    """Run the process of jobs within this one."""
    stopping = asyncio.Event()
    running = asyncio.create_task(work(database.settings, stopping, workers=0))
    try:
        yield
    finally:
        stopping.set()
        await running


async def scrub(
    client: httpx.AsyncClient, content: bytes, /, state: str = "done", **asked: str
) -> dict[str, Any]:
    """Scrub a file to its end: the job as it then stands."""
    answer = await client.post("/v1/scrubs", files={"file": ("campaign.csv", content)}, data=asked)
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"], state)


async def ended(client: httpx.AsyncClient, job: str, state: str = "done") -> dict[str, Any]:
    """Wait for a job's end."""
    while True:
        shown: dict[str, Any] = (await client.get(f"/v1/scrubs/{job}")).json()
        if shown["state"] in {"done", "failed"}:
            assert shown["state"] == state, shown
            return shown
        await asyncio.sleep(0.02)


async def result(client: httpx.AsyncClient, job: dict[str, Any]) -> bytes:
    answer = await client.get(f"/v1/scrubs/{job['id']}/result")
    assert answer.status_code == 200, answer.text
    assert answer.headers["optout-position"] == str(job["position"])
    return answer.content


async def test_a_file_comes_back_in_its_own_order_with_an_answer_behind_each_row(
    database: Database, caller: Caller
) -> None:
    registry = Registry(database)
    await registry.object(phone(1), at=minute(1))
    client = await caller("checks")
    async with working(database):
        job = await scrub(
            client,
            b"id;phone\r\n1;06 39 98 00 01\r\n2;06 39 98 00 02\r\n3;nobody\r\n4;+33639980002\r\n",
            medium="voice",
        )
        assert job["counts"] == {"allow": 2, "block": 1, "unusable": 1, "duplicate": 1}
        assert await result(client, job) == (
            b"id;phone;decision;code;since\r\n"
            b"1;06 39 98 00 01;block;opted_out;" + SINCE.encode() + b"\r\n"
            b"2;06 39 98 00 02;allow;;\r\n"
            b"3;nobody;block;unusable;\r\n"
            b"4;+33639980002;allow;duplicate;\r\n"
        )
