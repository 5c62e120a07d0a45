"""Where the metrics of a process and of those that it starts meet: a folder of their own.

What one of them counts, the one that serves the metrics would not know else.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FIGURES = "optout-metrics-"
_LOCK = "lock"


@contextmanager
def figures_shared() -> Iterator[None]:
    """Make the folder and name it, before anything counts: what is imported by then does not.

    Those of processes that were killed are removed: their locks are free.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_FIGURES}*"):
        # Another that starts now may be removing the same.
        with suppress(OSError):
            if left.lstat().st_uid == os.geteuid():
                _remove_if_free(left)
    with (
        tempfile.TemporaryDirectory(prefix=_FIGURES) as folder,
        (Path(folder) / _LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def _remove_if_free(left: Path) -> None:
    with (left / _LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
