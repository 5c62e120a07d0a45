"""Peers that send a request byte by byte, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.cli.slow_peers import Patient

HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


class Hasty(Patient):
    """One that looks soon, at as much as a byte in between."""

    seconds = 1.0
    least_bytes = 1


async def answering(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
    """Read a body and answer a while later, as a long poll does; ``/file`` takes files."""
    if scope["path"] == "/file":
        scope["route"] = SimpleNamespace(limit_setting="file_bytes")
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.disconnect":
        return
    await asyncio.sleep(2.5)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(answering, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Hasty(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answer_to(port: int, sent: bytes, *then: bytes, every: float = 0.1) -> bytes:
    """Send something, then the rest piece by piece; what comes back before the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    for piece in then:
        await asyncio.sleep(every)
        writer.write(piece)
    try:
        return await asyncio.wait_for(reader.read(12), 30)
    finally:
        writer.close()


async def test_who_sends_no_request_is_left_and_who_waits_for_an_answer_is_not(port: int) -> None:
    left = (b"", b"POST / HTTP/1.1\r\nHo", HEAD % b"/", HEAD % b"/" + b"x")
    *none, whole, steady, file = await asyncio.gather(
        *(answer_to(port, sent) for sent in left),
        answer_to(port, HEAD % b"/" + b"x" * 100),
        answer_to(port, HEAD % b"/", *[b"xxxx"] * 25),
        answer_to(port, HEAD % b"/file", b"x" * 100, every=2.5),
    )
    assert none == [b""] * len(left)
    assert [whole, steady, file] == [b"HTTP/1.1 204"] * 3
