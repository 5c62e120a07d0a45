"""The processes of a served registry: PostgreSQL, web, worker, jobs; watched and ended together.

The worker and the jobs are processes of their own, because a scrub or a thousand signatures in a
web process would hold up the checks, and an import in the worker what is to be told.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import typer
import uvicorn
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import NewUser, Role, any_user, create_user, issue_ticket
from app.intake import renormalise
from app.parties import CLI, NewKey, create_key, list_keys, note
from app.platform import logs
from app.platform.clock import now
from app.platform.embedded import Embedded, FolderUnfit, ServerFailed
from app.platform.logs import get_logger
from app.platform.metrics import fold_dead
from app.platform.schema import upgrade
from app.platform.supervision import supervise
from app.points import is_behind, open_registry
from app.settings import Settings

from .metrics import metrics_served
from .registry import export, reached, with_embedded
from .slow_peers import IDLE_SECONDS, Patient

_WATCH_SECONDS = 1
_PAUSE_SECONDS = 30
"""The longest that a worker which keeps ending stays away."""

_WORKER = ("app.cli", "worker")
_JOBS = ("app.jobs",)

_STOP_SECONDS = 20
"""How long the worker may take to end: a request to a database has 15 seconds by default."""

_DRAIN_SECONDS = 5
"""How long requests under way may still take when the server is told to end."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Web:
    """Where the web processes listen, and how many they are."""

    host: str
    port: int
    workers: int


def run(
    settings: Settings,
    embedded: Embedded | None,
    web: Web,
    told: threading.Event,
    *,
    with_worker: bool,
) -> None:
    """Serve until a signal ends it, or refuse before anything listens.

    ``told`` is set by a signal that came while nobody else, as uvicorn, was waiting for it.

    Raises:
        SchemaUnfit: the database at the URL is empty, or needs newer code.
        KeysUnfit: the keys are not those that the data was written with.
        PhoneTablesUnfit: the data was written by newer phone tables.
    """
    logs.configure(settings)
    if embedded is not None:
        settings = with_embedded(settings, embedded)
    if settings.database_url is None:
        raise ValueError("no database was reached")
    upgrade(settings.database_url.get_secret_value(), init=embedded is not None)
    asyncio.run(_prepare(settings, None if embedded is None else embedded.folder.path))
    if told.is_set():
        return
    export(settings)
    supervise()
    with metrics_served(settings), _watched(embedded, told, with_worker=with_worker):
        uvicorn.run(
            "app.main:serve_app",
            factory=True,
            host=web.host,
            port=web.port,
            workers=web.workers,
            loop="uvloop",
            http=Patient,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )


async def _prepare(settings: Settings, folder: Path | None) -> None:
    await _renormalise(settings)
    async with open_registry(settings) as (database, _), database.transaction() as session:
        if folder is not None and not await list_keys(session, limit=1):
            new = NewKey("first admin", ["admin"])
            # Written before the commit: a key that nobody can read would be the only one.
            key = await create_key(session, new, actor=CLI, at=now())
            _show_once("The first admin key", folder / "admin.key", key.text)
        if folder is not None and not await any_user(session):
            link = await _invite_first(session, settings)
            _show_once("The link to sign in as admin", folder / "admin.link", link)


async def _renormalise(settings: Settings) -> None:
    """Bring the phones of an older release over; newer ones are left for ``open_registry``."""
    async with open_registry(settings, any_phone_tables=True) as (database, keys):
        async with database.reading() as session:
            behind = await is_behind(session, keys)
        if behind:
            await renormalise(database, keys)


async def _invite_first(session: AsyncSession, settings: Settings) -> str:
    """Make the first user, and the link by which they choose a password."""
    first = NewUser("admin", "Administrator", Role.ADMIN)
    user = await create_user(session, first, at=now())
    await note(session, CLI, "user.created", user.actor, now(), role=first.role.word)
    return f"{settings.public_url}/invited/{await issue_ticket(session, user.id, at=now())}"


def _show_once(what: str, path: Path, text: str) -> None:
    """Write a secret where its owner alone can read it, and show it on a terminal."""
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w", encoding="ascii") as out:
        out.write(f"{text}\n")
        out.flush()
        os.fsync(file)
    if sys.stdout.isatty():
        typer.echo(f"{what}, shown this once, and kept in {path}:\n{text}")
    else:
        typer.echo(f"{what} is in {path}")


@contextmanager
def _watched(
    embedded: Embedded | None, told: threading.Event, *, with_worker: bool
) -> Iterator[None]:
    """Run the worker and see every second that it and PostgreSQL's keeper still do."""
    ending = threading.Event()
    watch = threading.Thread(target=_watch, args=(ending, told, embedded, with_worker))
    watch.start()
    try:
        yield
    finally:
        ending.set()
        watch.join()


def _watch(
    ending: threading.Event,
    told: threading.Event,
    embedded: Embedded | None,
    with_worker: bool,  # noqa: FBT001 - as Thread passes it
) -> None:
    children = [_Child("worker", _WORKER), _Child("jobs", _JOBS)] if with_worker else []
    while not ending.wait(_WATCH_SECONDS):
        if told.is_set():
            # It came in the moment before uvicorn listened to signals: say it again.
            os.kill(os.getpid(), signal.SIGTERM)
        if embedded is not None:
            try:
                embedded.keep()
            except (FolderUnfit, ServerFailed, OSError) as error:
                # Whatever it is, as no process or room left: whoever watches must go on.
                log.error("PostgreSQL is not running", reason=str(error))  # noqa: TRY400 - its log says all
        for child in children:
            child.keep()
        _fold_figures()
    for child in children:
        child.end()
    for child in children:
        child.stop()


def work() -> None:
    """Be a worker, beside a process of jobs, until a signal ends it.

    The web process needs nothing of what a worker imports, which is a megabyte.

    Raises:
        SchemaUnfit: the database at the URL is empty, or needs newer code.
        KeysUnfit: the keys are not those that the data was written with.
        PhoneTablesUnfit: the data was written by newer phone tables.
    """
    from app import worker  # noqa: PLC0415 - see above

    with reached() as settings:
        export(settings)
        logs.configure(settings)
        supervise()
        with metrics_served(settings), _jobs_beside():
            worker.main()


@contextmanager
def _jobs_beside() -> Iterator[None]:
    """Run the process of jobs beside this one."""
    ending = threading.Event()
    watch = threading.Thread(target=_watch_jobs, args=(ending,))
    watch.start()
    try:
        yield
    finally:
        ending.set()
        watch.join()


def _watch_jobs(ending: threading.Event) -> None:
    jobs = _Child("jobs", _JOBS)
    while not ending.wait(_WATCH_SECONDS):
        jobs.keep()
        _fold_figures()
    jobs.stop()


def _fold_figures() -> None:
    try:
        fold_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    except OSError as error:
        log.warning("the figures of dead processes stay", reason=error.strerror)


class _Child:
    """A process of ours, started again when it ends, less and less eagerly.

    It belongs to the thread that makes it, which must stay: see ``end_with_supervisor``.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name = name
        self._command = command
        self._pause = _WATCH_SECONDS
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        # In a session of its own, so that Ctrl-C reaches it in its turn.
        self._process = subprocess.Popen(  # noqa: S603 - one of the two commands of this file
            [sys.executable, "-P", "-m", *self._command],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def keep(self) -> None:
        """Start it again if it has ended and has been given its pause."""
        lived = time.monotonic() - self._started
        if self._process.poll() is None or lived < self._pause:
            return
        status = self._process.returncode
        log.error("a process ended, and is started again", name=self._name, status=status)
        self._pause = _WATCH_SECONDS if lived > _PAUSE_SECONDS else 2 * self._pause
        self._pause = min(self._pause, _PAUSE_SECONDS)
        try:
            self._start()
        except OSError:  # no process or memory left: whoever watches must go on
            log.exception("a process could not be started", name=self._name)

    def end(self) -> None:
        """Tell it to end."""
        self._process.terminate()

    def stop(self) -> None:
        """End it, after what it is sending if that ends in time."""
        self.end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
