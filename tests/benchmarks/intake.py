"""``intake``: how much of what PostgreSQL can take is left when an opt-out comes over HTTP."""

import asyncio
import json
import tempfile
from itertools import count, islice
from pathlib import Path
from statistics import median

from .harness import Goal, Row, compare, row
from .load import SECONDS, WARM_UP_SECONDS, press
from .people import STRANGERS, written
from .programs import optout_serve
from .registries import Registries
from .statements import overhear, per_second

_MOST_A_SECOND = 4_000
"""More than any run takes, so that nobody objects twice."""


def run(registries: Registries, size: int) -> Row:
    """Compare with pgbench sending the same SQL statements, each on a copy of its own."""
    # Nobody whom the seeds or the questions are about.
    people = count((1 + STRANGERS) * size)
    latencies = []
    with (
        registries.copied(size, "intake") as registry,
        registries.copied(size, "intake_floor") as floor,
        tempfile.NamedTemporaryFile("w", prefix="optout-bench-", suffix=".sql") as script,
        optout_serve(registry) as ours,
    ):
        script.write(asyncio.run(overhear(floor)))
        script.flush()
        target = ours.target("/v1/opt-outs", registry.make_key("opt-outs:write"))

        def accepted(seconds: int = SECONDS) -> float:
            objecting = islice(people, seconds * _MOST_A_SECOND)
            load = press(target, [opt_out(one) for one in objecting], seconds=seconds)
            latencies.append(load.p99)
            return load.per_second

        def written_by_pgbench(seconds: int = SECONDS) -> float:
            return per_second(registries.binaries, floor, Path(script.name), seconds=seconds)

        accepted(WARM_UP_SECONDS)
        written_by_pgbench(WARM_UP_SECONDS)
        taken = compare(accepted, written_by_pgbench)
    return row(
        "intake",
        taken,
        unit="opt-outs/s",
        goal=Goal(0.4),
        note=f"p99 {median(latencies[1:]):.0f} ms",
    )


def opt_out(index: int) -> str:
    """Write the request of somebody who objects."""
    return json.dumps(
        {
            "identifiers": [{"kind": "phone", "value": written(index)}],
            "recorded_by": "agent 7",
            "reference": f"call-{index}",
        }
    )
