"""``check-growth``: what a list a hundred times as long costs one who asks.

One connection, so that the latency is that of an answer and not of waiting in line.
"""

from .check import questions
from .harness import Goal, Row, compare, row
from .load import WARM_UP_SECONDS, Target, press
from .programs import optout_serve
from .registries import Registries

_FEW = 10_000


def run(registries: Registries, size: int) -> Row:
    """Compare the median latency with that of a small registry."""
    many, few = registries.filled(size), registries.filled(_FEW)
    asked = {registry.people: questions(registry) for registry in (many, few)}
    with optout_serve(many) as large, optout_serve(few) as small:
        large_target = large.target("/v1/checks", many.make_key("checks"))
        small_target = small.target("/v1/checks", few.make_key("checks"))

        def latency(target: Target, people: int) -> float:
            return press(target, asked[people], connections=1).p50

        press(large_target, asked[many.people], seconds=WARM_UP_SECONDS)
        press(small_target, asked[few.people], seconds=WARM_UP_SECONDS)
        taken = compare(
            lambda: latency(large_target, many.people), lambda: latency(small_target, few.people)
        )
    return row("check-growth", taken, unit="ms", goal=Goal(1.3, at_most=True))
