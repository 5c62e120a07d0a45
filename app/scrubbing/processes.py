"""Processes beside that of jobs, for what a scrub computes: one core is not enough for it."""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

from app.platform.db import Unavailable
from app.platform.memory import keep_memory
from app.platform.supervision import end_with_pool

_MANY = 10_000
"""Rows at once for which it is worth to have processes."""
T = TypeVar("T")


class Processes:
    """At most so many processes, which begin when there is enough to do and then stay."""

    def __init__(self, workers: int, begin: Callable[[], None]) -> None:
        """Take what each process does first; ``workers`` 0: a thread of this one does it all.

        They load what the program loaded: it must be importable without doing anything.
        """
        self._workers = workers
        self._begin = begin
        self._pool: ProcessPoolExecutor | None = None
        self._begun: Future[bool] = Future()

    async def run(
        self,
        there: Callable[..., T],
        *arguments: Any,  # noqa: ANN401 - as of any call
        rows: int,
        here: Callable[..., T] | None = None,
    ) -> T:
        """Call ``there`` in one of them; until they have begun ``here``, or the same, in a thread.

        Raises:
            Unavailable: a process was ended from outside; ask again.
        """
        if self._pool is None and self._workers and rows >= _MANY:
            # Not forked from here: this process has threads, and what they hold would be held for
            # ever.
            self._pool = ProcessPoolExecutor(
                self._workers,
                get_context("forkserver"),
                initializer=_begin,
                initargs=(self._begin,),
            )
            self._begun = self._pool.submit(_is_ready)
        if self._pool is None or not self._begun.done():
            # Nobody waits for processes to begin: a file may be done before they have.
            return await asyncio.to_thread(here or there, *arguments)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, partial(there, *arguments))
        except BrokenProcessPool:
            self.stop()
            raise Unavailable("A process that computes for a scrub was ended.") from None

    def stop(self) -> None:
        """End them, after what they are doing."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _begin(begin: Callable[[], None]) -> None:
    end_with_pool()
    keep_memory()
    gc.freeze()
    gc.disable()
    begin()


def _is_ready() -> bool:
    return True
