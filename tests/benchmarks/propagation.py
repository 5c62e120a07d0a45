"""``propagation``: from the receipt to the arrival, while fifty databases live and one hangs."""

import asyncio
import json
import time
from collections.abc import Mapping
from itertools import count
from statistics import quantiles

import httpx

from .harness import Goal, Row, compare, row
from .intake import opt_out
from .load import Target
from .people import STRANGERS
from .programs import Receivers, optout_serve, receivers, run_to_end
from .push import register
from .registries import Registries
from .senders import A_SECOND

_DATABASES = 50
_SECONDS = 10
_WARM_UP_SECONDS = 2
_PAIRS = 5


def run(registries: Registries, size: int) -> Row:
    """Compare the 99th percentile with that of fifty bare clients without a database."""
    people = count((1 + STRANGERS) * size)
    with (
        registries.copied(size, "propagation") as registry,
        receivers(_DATABASES) as peers,
        optout_serve(registry) as ours,
    ):
        register(ours, registry.make_key("admin"), [*peers.ports, peers.hanging])
        target = ours.target("/v1/opt-outs", registry.make_key("opt-outs:write"))

        def told() -> float:
            peers.forget()
            bodies = [opt_out(next(people)) for _ in range(A_SECOND * _SECONDS)]
            receipts = asyncio.run(object_steadily(target, bodies))
            peers.await_position(max(receipts))
            return late(receipts, peers)

        def posted() -> float:
            peers.forget()
            ports = map(str, peers.ports)
            due = json.loads(run_to_end("senders", "stream", str(_SECONDS), *ports, variables={}))
            return late({int(position): at for position, at in due.items()}, peers)

        told()
        taken = compare(told, posted, pairs=_PAIRS)
    return row("propagation", taken, unit="ms (p99)", goal=Goal(3, at_most=True))


async def object_steadily(target: Target, bodies: list[str]) -> dict[int, float]:
    """Send opt-outs at a steady pace: when the receipt of each position came."""
    receipts: dict[int, float] = {}
    headers = {"Authorization": f"Bearer {target.key}", "Content-Type": "application/json"}

    async def send(client: httpx.AsyncClient, body: str) -> None:
        answer = await client.post(target.url, content=body, headers=headers)
        receipts[answer.raise_for_status().json()["position"]] = time.monotonic()

    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as tasks:
        began = time.monotonic()
        for number, body in enumerate(bodies):
            await asyncio.sleep(began + number / A_SECOND - time.monotonic())
            tasks.create_task(send(client, body))
    return receipts


def late(began: Mapping[int, float], peers: Receivers) -> float:
    """Take the 99th percentile over entries and receivers, in milliseconds.

    What was sent in the first two seconds warms up, and is not counted.
    """
    counted = sorted(began)[A_SECOND * _WARM_UP_SECONDS :]
    waits = [
        max(0.0, arrived[position] - began[position])
        for arrived in peers.arrivals()
        for position in counted
    ]
    return quantiles(waits, n=100)[98] * 1e3
