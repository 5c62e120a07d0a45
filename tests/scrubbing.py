"""Scrubbing files as callers do, with the process of jobs run within the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.jobs import work
from app.platform.db import Database

Shown = dict[str, Any]


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[None]:
    """Run the jobs of a registry for a block."""
    stopping = asyncio.Event()
    running = asyncio.create_task(work(database.settings, stopping, workers=0, poll_seconds=0.02))
    try:
        yield
    finally:
        stopping.set()
        await running


async def scrub(
    client: httpx.AsyncClient, content: bytes, /, state: str = "done", **asked: str
) -> Shown:
    """Scrub a file to its end: the job as it then stands."""
    answer = await client.post("/v1/scrubs", files={"file": ("campaign.csv", content)}, data=asked)
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"], state)


async def refreshed(client: httpx.AsyncClient, job: Shown) -> Shown:
    """Refresh a scrub: the job of the refresh when it is done."""
    answer = await client.post(f"/v1/scrubs/{job['id']}/refresh")
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"])


async def ended(client: httpx.AsyncClient, job: str, state: str = "done") -> Shown:
    """Wait until a job has ended, as it should."""
    while True:
        shown: Shown = (await client.get(f"/v1/scrubs/{job}")).json()
        if shown["state"] in {"done", "failed"}:
            assert shown["state"] == state, shown
            return shown
        await asyncio.sleep(0.02)


async def result(client: httpx.AsyncClient, job: Shown) -> bytes:
    """Take a scrub's result."""
    answer = await client.get(f"/v1/scrubs/{job['id']}/result")
    assert answer.status_code == 200, answer.text
    assert answer.headers["optout-position"] == str(job["position"])
    ending = "ndjson" if "ndjson" in answer.headers["content-type"] else "csv"
    assert answer.headers["content-disposition"].endswith(f'{job["id"]}.{ending}"')
    return answer.content


async def answers(client: httpx.AsyncClient, job: Shown) -> dict[str, str]:
    """Take a result: the answer behind each number."""
    lines = (await result(client, job)).decode().splitlines()
    assert lines[0] == "phone,decision,code,since"
    return dict(line.split(",", 1) for line in lines[1:])
