"""The process of jobs: imports and scrubs, away from checks and from delivery.

What a file costs in time of the processor must hold up neither, so that this process also steps
back behind the others. Any number of them may run.
"""

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress

import uvloop

from app.checks import Counsel, LookUps
from app.files import POLL_SECONDS, Handler, JobRunner, Storage
from app.intake import (
    CONTACTS,
    CONTACTS_VOID,
    IMPORT,
    VOID,
    contacts_handler,
    contacts_void_handler,
    import_handler,
    void_handler,
)
from app.platform import logs
from app.platform.clock import now
from app.platform.db import Unavailable
from app.platform.logs import get_logger
from app.platform.memory import keep_memory
from app.platform.supervision import end_with_supervisor
from app.points import open_registry
from app.scrubbing import Tools, scrubber
from app.settings import Settings, read_settings

_NICENESS = 5
_GARBAGE = (100_000, 50, 50)
_TURN = 0.0005
WORKERS = 2
_BATCHES = 2
"""Look-ups of records at a time: while one is read, PostgreSQL makes the next."""
_FORGET_EVERY = 2.0

log = get_logger(__name__)


def main() -> None:
    """Work until SIGTERM or SIGINT; jobs under way are given back to be gone on with."""
    settings = read_settings()
    logs.configure(settings)
    end_with_supervisor()
    os.nice(_NICENESS)
    keep_memory()
    # What was loaded stays, and rows leave no circles: looking for some took a fifth of an import.
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    # Threads that read rows kept the loop waiting for 5 ms at each of its many turns.
    sys.setswitchinterval(_TURN)
    try:
        uvloop.run(_until_signalled(settings))
    except Unavailable:
        # Why is logged in a line; whoever started this process starts it again.
        sys.exit(1)


async def _until_signalled(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await work(settings, stopping)


async def work(
    settings: Settings,
    stopping: asyncio.Event,
    *,
    workers: int = WORKERS,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Do the jobs that are due, and delete the files whose time is over, until told to stop.

    ``workers`` processes compute for scrubs; none: a thread of this one does.
    ``poll_seconds`` is how often it looks for a job.

    Raises:
        ValueError: the database or the keys are not set.
        SchemaUnfit: the schema cannot serve this code.
        KeysUnfit: the keys are not those that the data was written with.
    """
    async with open_registry(settings) as (database, keys):
        storage = Storage.of(database, keys.vault)
        look_ups = LookUps(database, keys.digests.numbers)
        counsel = Counsel(database, keys.digests.numbers, batches=_BATCHES)
        tools = Tools.make(storage, look_ups, counsel, keys.digests, workers=workers)
        try:
            handlers: dict[str, Handler] = {
                "scrub": scrubber(tools),
                IMPORT: import_handler(storage, keys),
                CONTACTS: contacts_handler(storage, keys),
                CONTACTS_VOID: contacts_void_handler(),
                VOID: void_handler(),
            }
            runner = JobRunner(database, handlers, poll_seconds=poll_seconds)
            await _work(runner, storage, stopping)
        finally:
            tools.stop()
            await look_ups.stop()
            await counsel.stop()


async def _work(runner: JobRunner, storage: Storage, stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runner.run(stopping))
        tasks.create_task(_forget(storage, stopping))


async def _forget(storage: Storage, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await storage.forget_expired(at=now())
        except Unavailable as error:
            log.warning("deleting files waits for the database", reason=error.detail)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _FORGET_EVERY)


if __name__ == "__main__":
    main()
