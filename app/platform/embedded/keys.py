"""The keys of an embedded registry: two files beside its database, mode 0600.

They are made once, before the database that they belong to. Later they are never made anew: a
database read with other keys finds nobody, and every check would say allow.
"""

import base64
import os
import secrets
from dataclasses import dataclass

from .folder import Folder

_NAMES = ("digest", "sealing")


class KeysMissing(Exception):  # noqa: N818 - a state of the folder, told to the operator
    """A database stands without its keys; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The contents of ``digest.keys`` and ``sealing.keys``, as the settings of those names."""

    digest: str
    sealing: str

    def __repr__(self) -> str:
        """Keep the keys out of logs and traces."""
        return "Keys(...)"


def make_keys(folder: Folder) -> None:
    """Make those key files that are not there; they are on the disk when this returns."""
    for name in _NAMES:
        path = folder.path / f"{name}.keys"
        if not path.exists():
            fresh = path.with_suffix(".new")
            secret = base64.b64encode(secrets.token_bytes(32)).decode()
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "w", encoding="ascii") as out:
                out.write(f"1:{secret}\n")
                out.flush()
                os.fsync(file)
            fresh.rename(path)
    parent = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(parent)
    os.close(parent)


def read_keys(folder: Folder) -> Keys:
    """Read the keys of a folder.

    Raises:
        KeysMissing: one of the files is not there, or is empty.
    """
    found = []
    for name in _NAMES:
        path = folder.path / f"{name}.keys"
        text = path.read_text(encoding="ascii").strip() if path.exists() else ""
        if not text:
            raise KeysMissing(
                f"The database in {folder.path} is here, its key file {path.name} is not. New keys "
                "would find nobody in it and every check would say allow, so none are made: put "
                "the file back from the backup, or set OPTOUT_DIGEST_KEYS and OPTOUT_SEALING_KEYS."
            )
        found.append(text)
    return Keys(*found)
