"""The floors of delivery: httpx clients that read, render and post, and nothing else.

A program: ``python -m tests.benchmarks.senders`` with one of

    read AFTER PORT          the entries after a position, read and rendered as they are posted
    ready AFTER PORT...      the same, rendered before: each client posts all of them
    stream SECONDS PORT...   made-up entries at a steady pace; prints when each was due

No lease, guard, signature or acknowledgement.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pydantic_core

from app.delivery.batches import MOST_ENTRIES
from app.journal import Change, Kind, Lane, Media, Reason
from app.platform.db import Database
from app.platform.wire import wire_time
from app.points import PointKeys
from app.settings import read_settings

if TYPE_CHECKING:
    from asyncpg import Record

A_SECOND = 50
"""Opt-outs a second in a stream."""
_ENTRIES = MOST_ENTRIES
"""As many as a batch of ours holds: the bodies are to be the same."""
_READ = """
SELECT e.*, p.digest, p.sealed FROM journal_entries e JOIN contact_points p ON p.id = e.point
WHERE e.position > $1 ORDER BY e.position LIMIT $2
"""


async def _bodies(after: int) -> AsyncIterator[bytes]:
    """Read and render the entries after a position, batch by batch."""
    settings = read_settings()
    if settings.database_url is None:
        raise ValueError("OPTOUT_DATABASE_URL is needed")
    keys = PointKeys.from_settings(settings)
    database = Database.open(settings.database_url.get_secret_value(), settings)
    connection = await database.connect("senders")
    while rows := await connection.fetch(_READ, after, _ENTRIES):
        yield pydantic_core.to_json({"entries": [_render(keys, row) for row in rows]})
        after = rows[-1]["position"]
    await connection.close()


def _render(keys: PointKeys, row: "Record") -> dict[str, object]:
    value = keys.vault.unseal(row["sealed"], context=row["digest"]).decode()
    return {
        "position": row["position"],
        "id": str(row["id"]),
        "type": Change(row["change"]).word,
        "lane": Lane(row["lane"]).word,
        "occurred_at": wire_time(row["occurred_at"]),
        "recorded_at": wire_time(row["recorded_at"]),
        "identifier": {"kind": Kind(row["kind"]).word, "format": "plain", "value": value},
        "brand": None,
        "media": Media(row["media"]).words,
        "version": row["version"],
        "reason": Reason(row["reason"]).word,
    }


@asynccontextmanager
async def _clients(ports: Sequence[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
            )
            for port in ports
        ]


async def _read(after: str, port: str) -> None:
    async with _clients([port]) as (client,):
        async for body in _bodies(int(after)):
            (await client.post("/", content=body)).raise_for_status()


async def _ready(after: str, *ports: str) -> None:
    bodies = [body async for body in _bodies(int(after))]

    async def post_all(client: httpx.AsyncClient) -> None:
        for body in bodies:
            (await client.post("/", content=body)).raise_for_status()

    async with _clients(ports) as clients:
        await asyncio.gather(*map(post_all, clients))


async def _stream(seconds: str, *ports: str) -> None:
    due: dict[int, float] = {}
    more = asyncio.Event()

    async def post_what_is_due(client: httpx.AsyncClient) -> None:
        """Post what came since the last answer, as one body."""
        sent, last = 0, A_SECOND * int(seconds)
        while sent < last:
            while len(due) == sent:
                await more.wait()
            upto = len(due)
            entries = [_made_up(position) for position in range(sent + 1, upto + 1)]
            body = pydantic_core.to_json({"entries": entries})
            (await client.post("/", content=body)).raise_for_status()
            sent = upto

    async with _clients(ports) as clients, asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(post_what_is_due(client))
        began = time.monotonic()
        for position in range(1, A_SECOND * int(seconds) + 1):
            await asyncio.sleep(began + position / A_SECOND - time.monotonic())
            due[position] = time.monotonic()
            more.set()
            more = asyncio.Event()
    sys.stdout.write(json.dumps(due))


def _made_up(position: int) -> dict[str, object]:
    return {
        "position": position,
        "type": "suppression.added",
        "identifier": {"kind": "phone", "format": "plain", "value": "+33639980001"},
        "media": ["voice", "sms", "messaging", "email", "post"],
    }


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    match what:
        case "read":
            asyncio.run(_read(*words))
        case "ready":
            asyncio.run(_ready(*words))
        case _:
            asyncio.run(_stream(*words))
