"""How much of what nobody has verified yet one process holds in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.platform.db import Unavailable

BYTES = 134_217_728
Take = Callable[[int], None]


class Room:
    """Bytes of bodies that are under way, whoever sends them."""

    def __init__(self, most: int = BYTES) -> None:
        """Begin with all of it free."""
        self._left = most

    @contextmanager
    def hold(self) -> Iterator[Take]:
        """Hold what the given function is told of until the block ends.

        Raises, where it is told of more than there is:
            Unavailable: others hold it.
        """
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if size > self._left:
                raise Unavailable(
                    "Too many bodies are under way. Nothing was recorded; send it again.",
                    headers={"Retry-After": "5"},
                )
            self._left -= size
            held += size

        try:
            yield take
        finally:
            self._left += held
