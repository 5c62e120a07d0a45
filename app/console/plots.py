"""Where the marks of a plot stand: numbers in, places out; the template draws them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.journal import Spread

WIDTH = 510
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 500, 16, 140
_TICKS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0)
_NAMES = 150
_ROW = 27


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of a scale: its place and its value."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: which series, from the first on, its top and its height."""

    series: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar of one day."""

    on: date
    x: float
    width: float
    parts: Sequence[Part]
    total: int
    named: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """Days side by side, each piled up of its series; ``rows`` is the same as a table."""

    series: Sequence[str]
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    rows: Sequence[tuple[date, Sequence[int]]]
    height = 165
    width = WIDTH


def bars(series: Sequence[str], days: Sequence[tuple[date, Sequence[int]]]) -> Bars:
    """Pile up days; each has a count for each of the series."""
    most = _round_up(max((sum(counts) for _, counts in days), default=0))
    step = (_RIGHT - _LEFT) / max(1, len(days))
    width = step * 0.62
    drawn = []
    for number, (on, counts) in enumerate(days):
        parts, top = [], float(_BOTTOM)
        for index, count in enumerate(counts):
            height = count / most * (_BOTTOM - _TOP)
            top -= height
            if count:
                # A hair of paper parts the pieces.
                parts.append(Part(index, round(top, 1), round(max(1.0, height - 1), 1)))
        x = _LEFT + number * step + (step - width) / 2
        named = (len(days) - 1 - number) % max(1, len(days) // 14) == 0
        drawn.append(Bar(on, round(x, 1), round(width, 1), parts, sum(counts), named))
    ticks = [Tick(_BOTTOM - part / 3 * (_BOTTOM - _TOP), most * part / 3) for part in range(4)]
    return Bars(series, drawn, ticks, list(days))


def _round_up(most: int) -> int:
    """Find the next number that three lines part evenly."""
    size: int = 10 ** max(0, math.floor(math.log10(max(1, most))) - 1)
    return int(max(3, math.ceil(most / (3 * size)) * 3 * size))


@dataclass(frozen=True, slots=True)
class Span:
    """One row of dots from the median to the 99th percentile, on a scale of powers of ten."""

    name: str
    y: float
    p50: float
    p95: float
    p99: float
    spread: Spread


@dataclass(frozen=True, slots=True)
class Spans:
    """How fast each was told; ``slugs`` name them for links."""

    rows: Sequence[Span]
    ticks: Sequence[Tick]
    height: int
    width = WIDTH


def spans(spreads: Mapping[str, Spread]) -> Spans:
    """Draw the times of some databases, by their names, in the order given."""
    low = min((one.p50 for one in spreads.values()), default=0.1)
    high = max((one.p99 for one in spreads.values()), default=1.0)
    begin = max((tick for tick in _TICKS if tick <= low), default=_TICKS[0])
    end = min((tick for tick in _TICKS if tick >= high and tick > begin), default=_TICKS[-1])

    def place(seconds: float) -> float:
        inside = min(max(seconds, begin), end)
        share = math.log(inside / begin) / math.log(end / begin)
        return round(_NAMES + 12 + share * (_RIGHT - 24 - _NAMES - 12), 1)

    rows = [
        Span(
            _short(name), 24.0 + number * _ROW, place(one.p50), place(one.p95), place(one.p99), one
        )
        for number, (name, one) in enumerate(spreads.items())
    ]
    ticks = [Tick(place(tick), tick) for tick in _TICKS if begin <= tick <= end]
    return Spans(rows, ticks, 24 + len(rows) * _ROW + 12)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"  # noqa: PLR2004 - what 150 units hold
