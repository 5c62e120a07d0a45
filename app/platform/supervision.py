"""Ending with the process that started this one, whatever became of it.

``optout serve`` killed with -9 would leave its web processes on the port, answering without a
database. It stands on the ground because web processes and the worker both need it.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1
_VARIABLE = "OPTOUT_SUPERVISOR"


def supervise() -> None:
    """Make this process the supervisor of those that it will start."""
    os.environ[_VARIABLE] = str(os.getpid())


def is_supervised() -> bool:
    """Tell whether another process supervises this one."""
    return os.environ.get(_VARIABLE, "0") not in {"0", str(os.getpid())}


def end_with_supervisor() -> None:
    """Be sent SIGTERM when the supervisor ends; leave at once if it has ended already.

    Does nothing in a process without a supervisor, or in the supervisor itself. The kernel
    watches the thread that started this process (prctl(2)): let that be one that stays.
    """
    if not is_supervised():
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(os.environ[_VARIABLE]):
        sys.exit("The process that started this one has ended.")


def end_with_pool() -> None:
    """End this process of a pool with the one that made the pool, whatever became of it.

    The kernel's signal would not do: the parent is multiprocessing's server, which lives for as
    long as one of its children.
    """
    maker = multiprocessing.parent_process()
    if maker is None:
        raise RuntimeError("this process belongs to no pool")

    def watch() -> None:
        maker.join()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def on_the_way_out(call: Callable[[], None]) -> Iterator[None]:
    """Within the block, call something in the event loop at the first sign that the process ends.

    A server waits for requests under way, long polls too, before it tells its own lifespan. What
    the signals did before is done as well. Outside the main thread there are none to catch.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        if callable(before[number]):
            before[number](number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
