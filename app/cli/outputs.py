"""Files that commands write: whole or not at all."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

STANDARD = Path("-")
"""Standard input or output, where a path is wanted."""


@contextmanager
def replacing(path: Path, *, kept: bool = False) -> Iterator[IO[bytes]]:
    """Write beside a file, and put it in its place at the end of the block: whole or not at all.

    Its mode is 0600, because what is written holds contact points. What a command that was killed
    left behind is written over by the next, and lies about under one name at most: `.NAME.part`.
    ``kept``: it is still in the file, to be gone on from, and stays if this one fails too.

    Raises:
        OSError: it cannot be written, or another command is writing it.
    """
    written = path.with_name(f".{path.name}.part")
    with _alone(written, path) as file:
        if not kept:
            file.truncate(0)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            written.replace(path)
        except BaseException:
            file.flush()
            if not kept or not os.fstat(file.fileno()).st_size:
                written.unlink()
            raise


def _alone(written: Path, path: Path) -> IO[bytes]:
    """Open a file for this command alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.fdopen(os.open(written, flags, 0o600), "r+b")
    if not _locked(file) or not _is_still(file, written):
        file.close()
        raise OSError(errno.EBUSY, "another command is writing it", str(path))
    os.fchmod(file.fileno(), 0o600)
    return file


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(file: IO[bytes], written: Path) -> bool:
    """Tell whether whoever held the lock has not put the file in its place in between."""
    return written.exists() and written.stat().st_ino == os.fstat(file.fileno()).st_ino
