"""Questions to PostgreSQL that arrive while one is under way, asked together in the next.

It stands on the ground because keys, slugs and checks are all looked up so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Merged(Generic[K, V]):
    """A look-up of many subjects at once, of which never more than one runs.

    However many ask, and for however many different subjects, PostgreSQL sees one query at a
    time. An answer is never older than its question: whoever asks while a query runs is part of
    the next one.
    """

    def __init__(self, look_up: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        """Take the look-up; what its answer leaves out is answered with None."""
        self._look_up = look_up
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    def ask(self, subject: K) -> asyncio.Future[V | None]:
        """Put a question; the answer is the asker's own, and may be given up.

        A failed look-up fails every future of its round; one that nobody awaits is dropped.
        """
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, []).append(answer)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        while self._waiting:
            # Whoever has arrived by now comes along: what a query costs is the same for all.
            await asyncio.sleep(0)
            asked, self._waiting = self._waiting, {}
            try:
                found = await self._look_up(tuple(asked))
            except Exception as error:  # noqa: BLE001 - whoever asked raises it
                for _, answer in _awaited(asked):
                    answer.set_exception(error)
                    answer.exception()  # else asyncio complains of those that nobody awaits
            else:
                for subject, answer in _awaited(asked):
                    answer.set_result(found.get(subject))
        self._running = None

    async def settled(self) -> None:
        """Wait until nothing is being looked up."""
        while self._running is not None:
            await self._running


def _awaited(
    asked: Mapping[K, Sequence[asyncio.Future[V | None]]],
) -> Iterator[tuple[K, asyncio.Future[V | None]]]:
    """Go through the answers that nobody has given up."""
    for subject, answers in asked.items():
        for answer in answers:
            if not answer.done():
                yield subject, answer
