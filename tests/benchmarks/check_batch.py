"""``check-batch``: how much of PostgreSQL's speed is left when 10,000 are asked about at once."""

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import cycle

from app.identifiers import Identifier
from app.journal import Kind
from app.points import PointKeys

from .check import questions
from .harness import Goal, Row, compare, row
from .load import SECONDS, WARM_UP_SECONDS, press
from .programs import optout_serve
from .registries import Registries, Registry

_LINES = 10_000
_CONNECTIONS = 2
"""One batch is read while the other is looked up: on one connection to PostgreSQL, as the floor."""

_LOOK_UP = "SELECT id FROM contact_points WHERE digest = ANY($1)"


def run(registries: Registries, size: int) -> Row:
    """Compare with the same digests, ready made, straight on asyncpg."""
    registry = registries.filled(size)
    asked = [json.loads(question)["phone"] for question in questions(registry)]
    batches = [asked[first : first + _LINES] for first in range(0, len(asked), _LINES)]
    bodies = [
        json.dumps(
            {
                "medium": "voice",
                "items": [{"ref": f"{n}", "phone": phone} for n, phone in enumerate(batch)],
            }
        )
        for batch in batches
    ]
    digests = [_digests(registry, batch) for batch in batches]
    with optout_serve(registry) as ours:
        target = ours.target("/v1/checks/batch", registry.make_key("checks"))

        def answered(seconds: int = SECONDS) -> float:
            load = press(target, bodies, seconds=seconds, connections=_CONNECTIONS)
            return load.per_second * _LINES

        answered(WARM_UP_SECONDS)
        taken = compare(answered, lambda: asyncio.run(_looked_up(registry, digests)))
    return row("check-batch", taken, unit="numbers/s", goal=Goal(0.35))


def _digests(registry: Registry, phones: Sequence[str]) -> list[bytes]:
    keys = PointKeys.from_settings(registry.settings).digests
    normals = [f"+33{phone.replace(' ', '')[1:]}" for phone in phones]
    return [keys.digest(Identifier(Kind.PHONE, normal))[1] for normal in normals]


async def _looked_up(registry: Registry, digests: Sequence[Sequence[bytes]]) -> float:
    """Look digests up for some seconds: how many a second."""
    batches = cycle(digests)
    done = 0
    async with registry.opened() as database:
        connection = await database.connect("floor")
        began = time.perf_counter()
        while time.perf_counter() < began + SECONDS:
            await connection.fetch(_LOOK_UP, next(batches))
            done += _LINES
        taken = time.perf_counter() - began
        await connection.close()
    return done / taken
