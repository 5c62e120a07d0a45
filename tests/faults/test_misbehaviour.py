"""Databases that misbehave, each in its way, beside one that does not: named, and tried again."""

import asyncio
import gzip
import resource
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest
from sqlalchemy import text

from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, phone
from tests.peers import OK, Authority, Talk, endless, peer, read_request, saying
from tests.receivers import acknowledged, attempts, hasty, register, standing, until, working

HEAD = b"HTTP/1.1 200 OK\r\n"
_BOMB = gzip.compress(b"\0" * 50_000_000)
_METADATA = b"Location: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n"
WAYS: dict[str, tuple[Talk, str]] = {
    "silent": (endless(b"", b"", pause=0.1), "timeout"),
    "dripping": (endless(HEAD, b"a", pause=0.1), "timeout"),
    "endless-headers": (endless(HEAD, b"X-Again: and again\r\n" * 500), "too-large"),
    "resetting": (saying(b""), "reset"),
    "half-closing": (saying(HEAD + b"Content-Length: 10\r\n\r\nabc"), "reset"),
    "bomb": (
        saying(
            b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB),
            _BOMB,
        ),
        "status-500",
    ),
    "leading-away": (saying(b"HTTP/1.1 302 Found\r\n" + _METADATA), "status-302"),
    "other-protocol": (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol"),
}


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    # Time enough for those that are quick to misbehave, on a busy machine.
    patient = {"delivery_deadline_seconds": 4.0, "delivery_lease_seconds": 9.0}
    return hasty(settings).model_copy(update=patient)


def at_first(misbehave: Talk) -> Talk:
    """Misbehave on the first connection, then take everything."""
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await misbehave(reader, writer)
            return
        while await read_request(reader):
            writer.write(OK)

    return talk


async def test_each_way_of_misbehaving_is_named_and_tried_again_until_it_is_told(
    admin: httpx.AsyncClient, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    registry = Registry(database)
    authority = Authority(tmp_path_factory.mktemp("authority"))
    strange = authority.server("crm.example.com")
    async with AsyncExitStack() as stack:
        for way, (talk, _) in WAYS.items():
            seen = await stack.enter_async_context(peer(at_first(talk)))
            await register(admin, f"http://127.0.0.1:{seen.port}/hook", way)
        seen = await stack.enter_async_context(peer(tls=strange))
        await register(admin, f"https://127.0.0.1:{seen.port}/hook", "strange-certificate")
        good = await stack.enter_async_context(peer())
        await register(admin, f"http://127.0.0.1:{good.port}/hook", "good")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await registry.object(phone(1))
        async with working(database.settings):
            await acknowledged(admin, 1, "good")
            for way in [*WAYS, "strange-certificate"]:
                await until(partial(failed, admin, way))
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
            async with database.transaction() as session:
                await session.execute(text("UPDATE followers SET due_at = now()"))
            for way in WAYS:
                await acknowledged(admin, 1, way)
    for way, (_, error) in WAYS.items():
        first, *_, last = await attempts(admin, way)
        assert (way, first["error"], last["error"]) == (way, error, None)
        assert (await standing(admin, way))["last_error"] is None
    assert (await standing(admin, "strange-certificate"))["last_error"].startswith("tls: ")
    assert seen.requests == []


async def failed(admin: httpx.AsyncClient, way: str) -> bool:
    """Tell whether a request to a database was tried, and failed."""
    return any(one["error"] for one in await attempts(admin, way))
