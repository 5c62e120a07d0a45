"""Telling the story as it happens: colours on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.text import Text

_MARGIN = 11
_T = TypeVar("_T")


class Narrator:
    """Prints what happens with the seconds since the beginning; all at standard output."""

    def __init__(self) -> None:
        """Begin to count."""
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Tell how long it has taken so far."""
        return time.monotonic() - self._began

    def act(self, title: str) -> None:
        """Begin an act."""
        self._console.print(Text(f"\n{title}", "bold"))

    def say(self, what: str, style: str = "") -> None:
        """Tell what has just happened."""
        self._console.print(Text.assemble((f"{self.seconds:7.2f} s  ", "dim"), (what, style)))

    def count(self, things: Iterable[_T], total: int) -> Iterator[_T]:
        """Show on a terminal how far something is that takes a while."""
        return iter(
            track(
                things,
                description=f"{'':{_MARGIN}}",
                total=total,
                console=self._console,
                transient=True,
                disable=not self._console.is_terminal,
            )
        )

    def add(self, lines: Iterable[str]) -> None:
        """Show lines below what was said last."""
        for line in lines:
            self._console.print(Text(f"{'':{_MARGIN}}{line}", "dim"))
