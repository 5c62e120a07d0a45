"""Reading ahead: while a job writes one chunk of a file, a thread reads the next."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def read_ahead(read: Callable[[], T | None], do: Callable[[T], Awaitable[None]]) -> None:
    """Do what is read, one after the other, until ``read`` gives None; it runs in a thread."""
    following = asyncio.create_task(asyncio.to_thread(read))
    try:
        while (one := await asyncio.shield(following)) is not None:
            following = asyncio.create_task(asyncio.to_thread(read))
            await do(one)
    finally:
        # A thread cannot be stopped: what it reads from must stay open until it has ended.
        await asyncio.gather(following, return_exceptions=True)
