"""Files that commands write: whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

STANDARD = Path("-")
"""Standard input or output, where a path is wanted."""


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write beside a file, and put it in its place at the end of the block: whole or not at all.

    Its mode is 0600, because what is written holds contact points.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            written.replace(path)
        except BaseException:
            written.unlink()
            raise
