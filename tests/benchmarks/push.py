"""``push@1``, ``push@50``: how fast a backlog drains into one database, and into fifty."""

import asyncio
from collections.abc import Sequence

import httpx

from app.journal import read_followers, rewind

from .harness import Goal, Row, compare, row
from .programs import Program, optout_serve, receivers, run_to_end, worker
from .registries import Registries, Registry

_BACKLOG_OF_ONE = 50_000
_BACKLOG_OF_MANY = 10_000
_MANY = 50
_PAIRS = 5


def run_one(registries: Registries, size: int) -> Row:
    """Compare with reading, rendering and posting by one bare client."""
    return _run(registries, size, "push@1", 1, _BACKLOG_OF_ONE, Goal(0.7))


def run_many(registries: Registries, size: int) -> Row:
    """Compare with fifty bare clients that post what was rendered before."""
    return _run(registries, size, f"push@{_MANY}", _MANY, _BACKLOG_OF_MANY, Goal(0.5))


def _run(
    registries: Registries, size: int, name: str, databases: int, backlog: int, goal: Goal
) -> Row:
    after = max(0, size - backlog)
    with registries.copied(size, "push") as registry, receivers(databases) as peers:
        with optout_serve(registry) as ours:
            register(ours, registry.make_key("admin"), peers.ports)

        def pushed() -> float:
            peers.forget()
            asyncio.run(_rewind(registry, after))
            with worker(registry):
                peers.await_position(size)
            return peers.rate()

        def posted() -> float:
            peers.forget()
            what = "read" if databases == 1 else "ready"
            ports = map(str, peers.ports)
            run_to_end("senders", what, str(after), *ports, variables=registry.environment)
            return peers.rate()

        pushed()
        taken = compare(pushed, posted, pairs=_PAIRS)
    return row(name, taken, unit="entries/s", goal=goal)


def register(ours: Program, key: str, ports: Sequence[int]) -> None:
    """Register a database for each port, that is told what comes from now on."""
    with httpx.Client(base_url=ours.url, headers={"Authorization": f"Bearer {key}"}) as client:
        for number, port in enumerate(ports):
            delivery = {
                "mode": "webhook",
                "url": f"http://127.0.0.1:{port}/",
                "zone": "internal",
                "identifier_format": "plain",
            }
            client.post(
                "/v1/databases",
                json={
                    "slug": f"database-{number}",
                    "name": f"Database {number}",
                    "party": "dialling",
                    "start": "latest",
                    "delivery": delivery,
                },
            ).raise_for_status()


async def _rewind(registry: Registry, to: int) -> None:
    async with registry.opened() as database, database.transaction() as session:
        for follower in await read_followers(session):
            await rewind(session, follower, to=to)
