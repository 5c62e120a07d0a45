"""The worker process: does what is due, and sleeps until the journal moves.

It tells the databases and the operators, sends the mails of the outbox, completes erasures, and
forgets what is kept for a time only. Any number of workers may run.
"""

import asyncio
import contextlib
import gc
import signal
from datetime import timedelta

import uvloop

from app.accounts import forget_sessions, forget_tickets, forget_tries
from app.checks import SCRUB
from app.contacts import destroy_old_evidence, forget_old_attempts, forget_old_profiles
from app.delivery import (
    Dispatcher,
    Operations,
    Recaller,
    forget_attempts,
    pass_over_strangers,
    watch_for_operators,
)
from app.files import forget_jobs
from app.intake import (
    complete_erasure,
    forget_events,
    forget_refused,
    open_erasures,
    watch_doors,
)
from app.parties import Directory
from app.platform import logs
from app.platform.alarms import forget_alarms
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.idempotency import forget_old
from app.platform.logs import get_logger
from app.platform.mails import forget_mails
from app.platform.smtp import keep_mailing
from app.platform.supervision import end_with_supervisor
from app.points import open_registry
from app.settings import Settings, read_settings

_ERASURES_EVERY = 1.0
_PLACES_EVERY = 1.0
_DOORS_EVERY = 5.0
_FORGET_EVERY = 600.0
ERASURES_AT_ONCE = 100

log = get_logger(__name__)


def main() -> None:
    """Work until SIGTERM or SIGINT; requests under way are let end."""
    settings = read_settings()
    logs.configure(settings)
    end_with_supervisor()
    # What was loaded stays: looking for garbage in it was a tenth of the time of a backlog.
    gc.freeze()
    uvloop.run(_until_signalled(settings))


async def _until_signalled(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await work(settings, stopping)


async def work(settings: Settings, stopping: asyncio.Event) -> None:
    """Do what is due until told to stop.

    Raises:
        ValueError: the database or the keys are not set, or the operations address may not be
            sent to.
        SchemaUnfit: the schema cannot serve this code.
        KeysUnfit: the keys are not those that the data was written with.
    """
    operations = Operations.of(settings)
    async with open_registry(settings) as (database, keys), asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(database, keys, Directory(database))
        tasks.create_task(dispatcher.run(stopping))
        tasks.create_task(Recaller(database, keys, Directory(database)).run(stopping))
        tasks.create_task(_complete_erasures(database, stopping))
        tasks.create_task(_forget(database, stopping))
        tasks.create_task(_move_places(database, stopping))
        tasks.create_task(_watch_doors(database, stopping))
        tasks.create_task(keep_mailing(database, keys.vault, stopping))
        tasks.create_task(watch_for_operators(database, operations, stopping))


async def _complete_erasures(database: Database, stopping: asyncio.Event) -> None:
    """Look at the open erasures in turn, some at a time: many that wait hold up no newer one."""
    after, delay = None, database.settings.erasure_delay
    while not stopping.is_set():
        try:
            async with database.reading() as session:
                waiting = await open_erasures(session, after=after, most=ERASURES_AT_ONCE)
            for after in waiting:
                async with database.transaction() as session:
                    if await complete_erasure(session, after, at=now(), delay=delay):
                        log.info("an erasure is complete", erasure=str(after))
            if len(waiting) < ERASURES_AT_ONCE:
                after = None
        except Unavailable as error:
            log.warning("erasures wait for the database", reason=error.detail)
        await _pause(_ERASURES_EVERY, stopping)


async def _move_places(database: Database, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await pass_over_strangers(database)
        except Unavailable as error:
            log.warning("places wait for the database", reason=error.detail)
        await _pause(_PLACES_EVERY, stopping)


async def _watch_doors(database: Database, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await watch_doors(database, now())
        except Unavailable as error:
            log.warning("doors wait for the database", reason=error.detail)
        await _pause(_DOORS_EVERY, stopping)


async def _forget(database: Database, stopping: asyncio.Event) -> None:
    """Delete what is past its time, in chunks."""
    kept = timedelta(days=database.settings.attempts_days)
    inbound = timedelta(days=database.settings.inbound_days)
    counted = timedelta(days=database.settings.contact_attempts_days)
    files = timedelta(days=database.settings.files_days)
    while not stopping.is_set():
        try:
            gone = 1
            while gone and not stopping.is_set():
                async with database.transaction() as session:
                    gone = await forget_attempts(session, before=now() - kept)
                    gone += await forget_alarms(session, before=now() - kept)
                    gone += await forget_old(session, at=now())
                    gone += await forget_mails(session)
                    gone += await forget_events(session, before=now() - inbound)
                async with database.transaction() as session:
                    gone += await forget_refused(session, before=now() - files)
                    gone += await forget_jobs(session, kind=SCRUB, before=now() - files)
                    gone += await forget_old_attempts(session, before=now() - counted)
                    gone += await destroy_old_evidence(session, at=now())
                    gone += await forget_old_profiles(session, at=now())
            async with database.transaction() as session:
                for forget in (forget_sessions, forget_tickets, forget_tries):
                    await forget(session, at=now())
        except Unavailable as error:
            log.warning("forgetting waits for the database", reason=error.detail)
        await _pause(_FORGET_EVERY, stopping)


async def _pause(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


if __name__ == "__main__":
    main()
