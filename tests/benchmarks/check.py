"""``check``: how much of a bare route's speed is left when the answer is true."""

import json
import random
from collections.abc import Sequence

from .harness import Goal, Row, compare, row
from .load import WARM_UP_SECONDS, press
from .people import STRANGERS, written
from .programs import floor, optout_serve
from .registries import Registries, Registry

_QUESTIONS = 50_000


def questions(registry: Registry) -> list[str]:
    """Ask about random people, of whom one in four is suppressed."""
    chance = random.Random(registry.people)  # noqa: S311 - repeatable, and nothing secret
    everybody = range((1 + STRANGERS) * registry.people)
    return [
        json.dumps({"phone": written(index), "medium": "voice"})
        for index in chance.choices(everybody, k=_QUESTIONS)
    ]


def run(registries: Registries, size: int) -> Row:
    """Compare with a route that answers without having looked."""
    registry = registries.filled(size)
    taken, note = compared_with_bare(registry, questions(registry))
    return row("check", taken, unit="checks/s", goal=Goal(0.65), note=note)


def compared_with_bare(
    registry: Registry, asked: Sequence[str]
) -> tuple[list[tuple[float, float]], str]:
    """Ask both in turns; the note tells the slow ones of ours."""
    key = registry.make_key("checks")
    with optout_serve(registry) as ours, floor("bare", registry) as bare:
        targets = [program.target("/v1/checks", key) for program in (ours, bare)]
        for target in targets:
            press(target, asked, seconds=WARM_UP_SECONDS)
        ours_target, bare_target = targets
        latencies = []

        def ours_now() -> float:
            load = press(ours_target, asked)
            latencies.append(load.p99)
            return load.per_second

        taken = compare(ours_now, lambda: press(bare_target, asked).per_second)
    return taken, f"p99 {sorted(latencies)[len(latencies) // 2]:.0f} ms"
