"""Receivers that note when each entry arrived, and do little else: they share the machine.

A program: ``python -m tests.benchmarks.receivers NUMBER`` prints its ports as a JSON list: the one
that tells what was seen, those of the receivers, the one of a receiver that never answers.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_POSITION = re.compile(rb'"position":(\d+)')

Talk = Callable[[bytes, bytes], Awaitable[bytes]]


class Receiver:
    """What one database has got so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.arrived: dict[int, float] = {}
        self.last = 0

    async def take(self, _head: bytes, body: bytes) -> bytes:
        """Note when its entries came, each the first time."""
        at = time.monotonic()
        for found in _POSITION.findall(body):
            self.last = int(found)
            self.arrived.setdefault(self.last, at)
        return b""


def _rate(receivers: Sequence[Receiver]) -> float:
    """Count entries a second from the first batch of all, itself not counted, to the last."""
    arrived = [at for one in receivers for at in one.arrived.values()]
    first = min(arrived)
    return sum(at > first for at in arrived) / (max(arrived) - first)


async def _never(_head: bytes, _body: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""


async def _listen(talk: Talk) -> int:
    """Answer each request on a free port of loopback with 200 and what ``talk`` says."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                answer = await talk(head, body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, limit=1_048_576)
    return int(server.sockets[0].getsockname()[1])


async def main() -> None:
    """Receive until a signal comes."""
    receivers = [Receiver() for _ in range(int(sys.argv[1]))]

    async def tell(head: bytes, _body: bytes) -> bytes:
        match head.split(maxsplit=2)[1]:
            case b"/forget":
                for one in receivers:
                    one.arrived, one.last = {}, 0
                return b""
            case b"/least":
                return str(min(one.last for one in receivers)).encode()
            case b"/rate":
                return str(_rate(receivers)).encode()
            case _:
                return json.dumps([one.arrived for one in receivers]).encode()

    ports = [await _listen(talk) for talk in (tell, *(one.take for one in receivers), _never)]
    sys.stdout.write(f"{json.dumps(ports)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
