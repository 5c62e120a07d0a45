"""Pressing a server: wrk where it is installed, else a plain asyncio client; alike for both sides.

A run in which a single request fails counts for nothing: it raises.
"""

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

SECONDS = 5
WARM_UP_SECONDS = 2
CONNECTIONS = 32

_REPLAY = Path(__file__).with_name("replay.lua")


class LoadFailed(Exception):  # noqa: N818 - an outcome, told to whoever measures
    """A request was not answered 2xx, so the run measures nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post, and with which key."""

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Load:
    """What a run saw; percentiles of the latency in milliseconds."""

    per_second: float
    p50: float
    p99: float


def press(
    target: Target,
    bodies: Sequence[str],
    *,
    seconds: int = SECONDS,
    connections: int = CONNECTIONS,
) -> Load:
    """Post bodies over and over for some seconds on some connections.

    Raises:
        LoadFailed: an answer was no 2xx, or a connection broke.
    """
    wrk = shutil.which("wrk")
    if wrk is not None:
        return _press_with_wrk(wrk, target, bodies, seconds, connections)
    return asyncio.run(_press_with_asyncio(target, bodies, seconds, connections))


def _press_with_wrk(
    wrk: str, target: Target, bodies: Iterable[str], seconds: int, connections: int
) -> Load:
    with tempfile.NamedTemporaryFile("w", prefix="optout-bench-", suffix=".jsonl") as file:
        file.writelines(f"{body}\n" for body in bodies)
        file.flush()
        done = subprocess.run(  # noqa: S603 - wrk, with our own words
            [
                *(wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=10s"),
                *("-s", str(_REPLAY), target.url, "--", file.name, target.key),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    (result,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    requests, micros, p50, p99, failed = map(int, result.split()[1:])
    if failed or not requests:
        raise LoadFailed(f"{failed} of {requests} requests to {target.url} failed")
    return Load(requests / micros * 1e6, p50 / 1e3, p99 / 1e3)


async def _press_with_asyncio(
    target: Target, bodies: Iterable[str], seconds: int, connections: int
) -> Load:
    parts = urlsplit(target.url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {target.key}\r\nContent-Length: "
    )
    requests = cycle([f"{head}{len(body)}\r\n\r\n{body}".encode() for body in bodies])
    began = time.perf_counter()
    latencies: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (sent := time.perf_counter()) < began + seconds:
            writer.write(next(requests))
            answer = await reader.readuntil(b"\r\n\r\n")
            (length,) = (
                int(line.partition(b":")[2])
                for line in answer.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            if not answer.startswith(b"HTTP/1.1 2"):
                raise LoadFailed(f"{target.url} answered {answer.split(maxsplit=2)[1].decode()}")
            latencies.append(time.perf_counter() - sent)
        writer.close()

    async with asyncio.TaskGroup() as clients:
        for _ in range(connections):
            clients.create_task(client())
    cuts = quantiles(latencies, n=100)
    return Load(len(latencies) / (time.perf_counter() - began), cuts[49] * 1e3, cuts[98] * 1e3)
