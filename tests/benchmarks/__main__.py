"""``make bench``: measures, prints the table, writes ``build/bench.json``.

``NAME`` picks one line; ``BENCH_SIZE`` is the number of suppressions. Exit status 1: a goal was
missed.
"""

import json
import os
import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from . import (
    check,
    check_batch,
    check_growth,
    import_,
    intake,
    lawful,
    memory,
    propagation,
    push,
    scrub,
    snapshot,
)
from .harness import Row
from .registries import BUILD, registries

_BENCHMARKS = {
    "check": check.run,
    "check-growth": check_growth.run,
    "check-batch": check_batch.run,
    "check-law": lawful.run,
    "check-batch-law": lawful.run_batch,
    "scrub-law": lawful.run_scrub,
    "intake": intake.run,
    "import": import_.run,
    "import-interference": import_.run_interference,
    "push@1": push.run_one,
    "push@50": push.run_many,
    "propagation": propagation.run,
    "scrub": scrub.run,
    "scrub-naive": scrub.run_naive,
    "snapshot": snapshot.run,
    "memory": memory.run,
}

_FEW = 100
"""Below it, two decimals are worth showing."""


def main() -> int:
    """Run the benchmarks that the arguments name, or all."""
    names = sys.argv[1:] or [*_BENCHMARKS]
    unknown = [name for name in names if name not in _BENCHMARKS]
    if unknown:
        Console(stderr=True).print(f"No such benchmark: {unknown}. There are {[*_BENCHMARKS]}.")
        return 2
    size = int(os.environ.get("BENCH_SIZE", "1000000"))
    console = Console(stderr=True)
    rows = []
    with registries() as places:
        for name in names:
            with console.status(f"{name}, {size:,} suppressions"):
                rows.append(_BENCHMARKS[name](places, size))
            # After each, for whoever loses patience, or a later one that fails.
            text = json.dumps([row.as_json() for row in rows], indent=2)
            (BUILD / "bench.json").write_text(f"{text}\n", encoding="utf-8")
    Console().print(_table(rows))
    return 0 if all(row.met for row in rows) else 1


def _table(rows: list[Row]) -> Table:
    table = Table(title="medians of pairs measured in turns", box=SIMPLE_HEAD)
    for column in ("name", "ours", "floor", "unit", "ratio", "of all pairs", "goal", "met", "note"):
        figure = column in {"ours", "floor", "ratio"}
        table.add_column(column, justify="right" if figure else "left")
    for row in rows:
        least, most = row.spread
        table.add_row(
            row.name,
            _figure(row.ours),
            _figure(row.floor),
            row.unit,
            f"{row.ratio:.2f}",
            f"{least:.2f} to {most:.2f}",
            str(row.goal),
            "yes" if row.met else "no",
            row.note,
        )
    return table


def _figure(value: float) -> str:
    return f"{value:,.2f}" if value < _FEW else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
