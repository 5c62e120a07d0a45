"""Ending by a signal: at once while it waits, after the transaction while it writes."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Ending:
    """Whether this process was asked to end."""

    def __init__(self) -> None:
        """Begin without listening: signals do what they always do."""
        self._asked = False
        self._waiting = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as asking so from now on, and no other way."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let a signal end the process inside the block, with exit status 0, as one before it does.

        In the block there is nothing to lose: the network is waited for, or time.
        """
        self._waiting = True
        try:
            if self._asked:
                sys.exit(0)
            yield
        finally:
            self._waiting = False

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if self._waiting:
            sys.exit(0)
