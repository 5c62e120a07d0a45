"""The data folder: who may use it, where its parts lie, and the locks that its users share.

All locks are ``flock``, so the kernel releases what a killed process held.

================  ==============================================================================
``gate.lock``     exclusive, held for a moment by whoever joins or leaves
``users.lock``    shared by every process that uses the server; exclusive by the keeper that stops
``keeper.lock``   exclusive, held by the keeper as long as it lives
``serve.lock``    exclusive, held by ``optout serve``
================  ==============================================================================
"""

import fcntl
import hashlib
import os
import pwd
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOCKET_PATH_BYTES = 107
"""What a UNIX socket's address can hold on Linux (unix(7)), less its final NUL."""

_SOCKET_NAME = ".s.PGSQL.5432"
_NOBODY = "nobody"


class FolderUnfit(Exception):  # noqa: N818 - a state of the folder, told to the operator
    """The data folder cannot be used by this process; the message says what to do."""


class Folder:
    """A data folder that belongs to this user and is closed to all others."""

    def __init__(self, path: Path) -> None:
        """Make the folder, or check the one that is there.

        Raises:
            FolderUnfit: it cannot be made, is somebody else's, or holds other things and is open
                to others.
        """
        self.path = path.resolve()
        self.data = self.path / "postgres"
        self.log = self.path / "postgres.log"
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise FolderUnfit(
                f"{self.path}: {error.strerror}. Name another folder by OPTOUT_DATA_DIR, or a "
                "PostgreSQL by OPTOUT_DATABASE_URL."
            ) from error
        self._close_to_others()

    def _close_to_others(self) -> None:
        found = self.path.stat()
        if found.st_uid not in {os.geteuid(), self._lent_to()}:
            owner = _name_of(found.st_uid)
            raise FolderUnfit(f"{self.path} belongs to {owner}: run this command as {owner}.")
        if stat.S_IMODE(found.st_mode) & 0o077:
            ours = (self.path / "gate.lock").exists() or not any(self.path.iterdir())
            if not ours:
                raise FolderUnfit(
                    f"{self.path} holds other things and is open to other users. Choose an empty "
                    "folder by OPTOUT_DATA_DIR, or close this one: chmod 700"
                )
            self.path.chmod(0o700)

    def _lent_to(self) -> int | None:
        """Tell the user that root may have lent the folder to, where PostgreSQL refuses root."""
        return pwd.getpwnam(_NOBODY).pw_uid if os.geteuid() == 0 else None

    @property
    def is_new(self) -> bool:
        """Tell whether no database was ever made here."""
        return not (self.data / "PG_VERSION").exists()

    @property
    def is_lent(self) -> bool:
        """Tell whether root lent the folder to the user nobody."""
        return os.geteuid() == 0 and self.path.stat().st_uid != 0

    def lend(self) -> None:
        """Give the folder to the user nobody, as whom PostgreSQL then runs.

        Raises:
            FolderUnfit: a database stands in it that was made as root.
        """
        if not self.is_new:
            raise FolderUnfit(
                f"The database in {self.path} was made by root in a user namespace, and this "
                "machine grants none now: run this command as an ordinary user that owns it."
            )
        nobody = pwd.getpwnam(_NOBODY)
        os.chown(self.path, nobody.pw_uid, nobody.pw_gid)

    @property
    def sockets(self) -> Path:
        """The folder of the socket: beside the data, unless its address would not fit there."""
        beside = os.fsencode(self.data / _SOCKET_NAME)
        # libpq reads a comma as a list of hosts; quotes and line ends are refused by some clients.
        if len(beside) <= _SOCKET_PATH_BYTES and not set(beside) & set(b",\"'\\\n\r"):
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"optout-{self.path.stat().st_uid}-{name}"

    def make_sockets(self) -> Path:
        """Make the folder of the socket and see that nobody else owns or reaches it."""
        sockets = self.sockets
        if sockets == self.data:
            return sockets
        owner = self.path.stat()
        try:
            sockets.mkdir(mode=0o700)
            os.chown(sockets, owner.st_uid, owner.st_gid)
        except FileExistsError:
            pass
        found = sockets.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != owner.st_uid
            or stat.S_IMODE(found.st_mode) & 0o077
        ):
            raise FolderUnfit(f"{sockets} was made by somebody else: remove it.")
        return sockets

    def stale_files(self) -> tuple[Path, ...]:
        """List what a killed server leaves behind, and the next one stumbles over."""
        socket = self.sockets / _SOCKET_NAME
        return (self.data / "postmaster.pid", socket, socket.with_name(f"{_SOCKET_NAME}.lock"))

    def open_lock(self, name: str) -> int:
        """Open a lock file; the caller closes it, which releases the lock."""
        return os.open(
            self.path / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )

    def try_lock(self, name: str) -> int | None:
        """Take an exclusive lock at once: its descriptor, or None when another holds it."""
        lock = self.open_lock(name)
        if attempt(lock, fcntl.LOCK_EX):
            return lock
        os.close(lock)
        return None

    @contextmanager
    def gate(self, deadline: float) -> Iterator[None]:
        """Hold the gate for a block, so that one process at a time joins or leaves.

        ``deadline`` is in seconds of the monotonic clock.

        Raises:
            FolderUnfit: another process held it until the deadline.
        """
        while (lock := self.try_lock("gate")) is None:
            if time.monotonic() > deadline:
                raise FolderUnfit(f"Another process has been starting in {self.path} for too long.")
            time.sleep(0.02)
        try:
            yield
        finally:
            os.close(lock)


def attempt(lock: int, kind: int) -> bool:
    """Take or change a lock without waiting; on False an earlier one on it is gone too."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
