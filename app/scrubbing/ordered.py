"""Working some steps ahead, and taking what comes of them in order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def in_order(steps: AsyncIterator[Coroutine[Any, Any, T]], *, ahead: int) -> AsyncIterator[T]:
    """Run each step as soon as it is given, at most ``ahead`` besides the one that is waited for.

    Whatever ends it, no step goes on.
    """
    running: deque[asyncio.Task[T]] = deque()
    try:
        async for step in steps:
            running.append(asyncio.create_task(step))
            if len(running) > ahead:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
