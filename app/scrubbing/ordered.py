"""Working some steps ahead, and taking what comes of them in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def in_order(
    steps: AsyncIterator[Coroutine[Any, Any, T]], *, ahead: int, together: int = 1
) -> AsyncGenerator[list[T]]:
    """Run steps as they are given, and give what comes of them in their order.

    At most ``ahead`` run, or are ready, besides those that are waited for. What is ready at the
    same time is given together, ``together`` at most. Whatever ends it, no step goes on.
    """
    running: deque[asyncio.Task[T]] = deque()
    room, news = asyncio.Semaphore(ahead), asyncio.Event()

    async def begin() -> None:
        async for step in steps:
            running.append(asyncio.create_task(step))
            news.set()
            await room.acquire()

    # A task of its own: the next step is made while whoever takes the last is busy with it.
    beginning = asyncio.create_task(begin())
    beginning.add_done_callback(lambda _: news.set())
    try:
        while True:
            while not running and not beginning.done():
                news.clear()
                await news.wait()
            if not running:
                await beginning
                return
            some = [await running[0]]
            running.popleft()
            while running and running[0].done() and len(some) < together:
                some.append(running.popleft().result())
            for _ in some:
                room.release()
            yield some
    finally:
        beginning.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(beginning, *running, return_exceptions=True)
