"""``snapshot``: how fast the whole list is read over HTTP, against ``COPY`` of the same rows.

The list is taken plain, in NDJSON and not packed, by one client that throws it away; the floor is
``COPY … TO STDOUT`` of the same columns, sealed as they lie, on one connection.
"""

import asyncio
import http.client
import time
from contextlib import closing

import asyncpg
import httpx

from .harness import Goal, Row, compare, row
from .programs import optout_serve
from .registries import Registries, Registry

_COPY = """
SELECT p.kind, p.sealed, s.brand, s.media, s.version, s.position, s.since
FROM suppressions s JOIN contact_points p ON p.id = s.point
WHERE s.media <> 0
"""
_PAIRS = 5
_READ_BYTES = 1 << 18


def run(registries: Registries, size: int) -> Row:
    """Compare a snapshot with the copy, in rows a second."""
    with registries.copied(size, "snapshot") as registry, optout_serve(registry) as ours:
        key = _register(ours.url, registry.make_key("admin"))
        taken = compare(
            lambda: _taken(ours.url, key, size), lambda: _copied(registry, size), pairs=_PAIRS
        )
    return row("snapshot", taken, unit="rows/s", goal=Goal(0.3))


def _register(url: str, admin: str) -> str:
    """Register a database that pulls: its key."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {admin}"}) as client:
        pulling = {"mode": "pull", "identifier_format": "plain"}
        database = {"slug": "list", "name": "List", "party": "dialling", "delivery": pulling}
        client.post("/v1/databases", json=database).raise_for_status()
        key = {"name": "list", "scopes": ["journal:read"], "database": "list"}
        return str(client.post("/v1/keys", json=key).raise_for_status().json()["key"])


def _taken(url: str, key: str, size: int) -> float:
    # Not httpx, whose reading would take as long as the server's writing.
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
    lines = 0
    began = time.perf_counter()
    with closing(connection):
        connection.request("GET", "/v1/snapshot", headers=headers)
        answer = connection.getresponse()
        while piece := answer.read(_READ_BYTES):
            lines += piece.count(b"\n")
    _expect(lines, size)
    return lines / (time.perf_counter() - began)


def _copied(registry: Registry, size: int) -> float:
    lines, seconds = asyncio.run(_copy(registry.url))
    _expect(lines, size)
    return lines / seconds


async def _copy(url: str) -> tuple[int, float]:
    lines = 0

    async def count(piece: bytes) -> None:
        nonlocal lines
        lines += piece.count(b"\n")

    connection = await asyncpg.connect(url)
    try:
        began = time.perf_counter()
        await connection.copy_from_query(_COPY, output=count)
        return lines, time.perf_counter() - began
    finally:
        await connection.close()


def _expect(lines: int, size: int) -> None:
    if lines != size:
        raise RuntimeError(f"{lines} lines came of {size}")
