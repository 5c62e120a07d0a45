"""``memory``: what the web process holds while it answers, beside one that does nothing."""

from .check import questions
from .harness import Goal, Row, compare, row
from .load import press
from .programs import Program, floor, optout_serve
from .registries import Registries


def run(registries: Registries, size: int) -> Row:
    """Compare resident memory under load with that of a bare FastAPI app."""
    registry = registries.filled(size)
    asked = questions(registry)
    key = registry.make_key("checks")

    def resident(program: Program) -> float:
        press(program.target("/v1/checks", key), asked)
        return program.resident

    with optout_serve(registry) as ours, floor("plain", registry) as plain:
        taken = compare(lambda: resident(ours), lambda: resident(plain), pairs=5)
    return row("memory", taken, unit="MiB", goal=Goal(2.5, at_most=True))
