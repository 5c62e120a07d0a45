"""How figures are taken: ratios of two things measured in turns, on the same machine, now.

The machines are small and shared, so a figure alone says nothing; a ratio to a floor taken a
moment before and after says a little, and the median of several says enough.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Any

PAIRS = 7
"""Pairs of measurements; a single pair is off by up to 15 % either way."""

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio should be: at least, or at most, a limit."""

    limit: float
    at_most: bool = False

    def __str__(self) -> str:
        """Write it as BENCHMARKS.md does."""
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"

    def met(self, ratio: float) -> bool:
        """Tell whether a ratio is as it should be."""
        return ratio <= self.limit if self.at_most else ratio >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``ours`` and ``floor`` are medians, ``ratio`` the median ratio."""

    name: str
    ours: float
    floor: float
    unit: str
    ratio: float
    spread: tuple[float, float]
    goal: Goal
    note: str = ""

    @property
    def met(self) -> bool:
        """Tell whether the goal was reached."""
        return self.goal.met(self.ratio)

    def as_json(self) -> dict[str, Any]:
        """Write the row as ``build/bench.json`` holds it."""
        return {
            "name": self.name,
            "ours": round(self.ours, 3),
            "floor": round(self.floor, 3),
            "unit": self.unit,
            "ratio": round(self.ratio, 3),
            "goal": str(self.goal),
            "met": self.met,
            "spread": [round(one, 3) for one in self.spread],
            "note": self.note,
        }


def compare(ours: Measure, floor: Measure, *, pairs: int = PAIRS) -> list[tuple[float, float]]:
    """Measure both in turns, A B B A, so that a machine that slows down slows both."""
    taken = []
    for _, ours_first in zip(range(pairs), cycle((True, False)), strict=False):
        if ours_first:
            a = ours()
            b = floor()
        else:
            b = floor()
            a = ours()
        taken.append((a, b))
    return taken


def row(
    name: str, taken: list[tuple[float, float]], *, unit: str, goal: Goal, note: str = ""
) -> Row:
    """Sum measured pairs up in a row."""
    ratios = [ours / floor for ours, floor in taken]
    return Row(
        name,
        median(ours for ours, _ in taken),
        median(floor for _, floor in taken),
        unit,
        median(ratios),
        (min(ratios), max(ratios)),
        goal,
        note,
    )
