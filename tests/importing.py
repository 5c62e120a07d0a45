"""Sending files of opt-outs, and the process of jobs that does them, within a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import text

from app.files import JobRunner, Storage
from app.intake import IMPORT, VOID, import_handler, void_handler
from app.platform.db import Database
from app.points import PointKeys
from tests.desk import PHONE

_SECONDS = 120
_COUNTED = ("recorded", "unchanged", "refused")


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[None]:
    """Do imports and their voids for a block."""
    keys = PointKeys.from_settings(database.settings)
    storage = Storage.of(database, keys.vault)
    handlers = {IMPORT: import_handler(storage, keys), VOID: void_handler()}
    stopping = asyncio.Event()
    runner = asyncio.create_task(JobRunner(database, handlers, poll_seconds=0.02).run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await runner


async def send(client: httpx.AsyncClient, file: bytes | str, **said: str) -> dict[str, Any]:
    """Send a file of opt-outs: the import as it was taken."""
    answer = await client.post(
        "/v1/imports", content=file.encode() if isinstance(file, str) else file, params=said
    )
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def ended(client: httpx.AsyncClient, number: str) -> dict[str, Any]:
    """Wait until an import, and its void if there is one, have ended."""
    async with asyncio.timeout(_SECONDS):
        while True:
            answer = await client.get(f"/v1/imports/{number}")
            assert answer.status_code == 200, answer.text
            one = dict(answer.json())
            jobs = [one, one["void"]] if one["void"] else [one]
            if all(job["state"] in ("done", "failed") for job in jobs):
                return one
            await asyncio.sleep(0.02)


async def imported(client: httpx.AsyncClient, file: bytes | str, **said: str) -> dict[str, Any]:
    """Send a file and wait until it is done."""
    return await ended(client, (await send(client, file, **said))["id"])


async def voided(client: httpx.AsyncClient, number: str) -> dict[str, Any]:
    """Void an import and wait until that is done."""
    answer = await client.post(f"/v1/imports/{number}/void", json={"reason": "the wrong file"})
    assert answer.status_code == 202, answer.text
    return await ended(client, number)


async def refused(client: httpx.AsyncClient, number: str) -> list[str]:
    """Read the rows that an import refused, without the head."""
    answer = await client.get(f"/v1/imports/{number}/refused")
    assert answer.status_code == 200, answer.text
    head, *lines = answer.text.split("\r\n")
    assert head == "line,column,value,reason"
    assert lines.pop() == ""
    return lines


def counts(one: dict[str, Any]) -> tuple[int, ...]:
    """List what became of the rows of an import: recorded, unchanged, refused."""
    return tuple(one["counts"][name] for name in _COUNTED)


async def history(client: httpx.AsyncClient, value: str = PHONE["value"]) -> list[dict[str, Any]]:
    """Read what was said about a number."""
    body = {"identifier": {"kind": "phone", "value": value}}
    answer = await client.post("/v1/suppressions/search", json=body)
    assert answer.status_code == 200
    return list(answer.json()["history"])


async def entries(database: Database) -> list[tuple[int, int, int]]:
    """List the journal: change, lane and version of each entry."""
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT change, lane, version FROM journal_entries ORDER BY position")
        )
        return [(row.change, row.lane, row.version) for row in rows]
