"""Which user PostgreSQL runs as: it refuses root, and whoever has no name.

Both start it in a user namespace, where it sees itself as ``nobody`` while the kernel still
sees them: no file changes hands and no folder is opened. Where the machine grants root no
namespace (many containers), it runs as the real ``nobody``, to whom the data folder is lent.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .folder import Folder, FolderUnfit

_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")


@dataclass(frozen=True, slots=True)
class Account:
    """How a program of PostgreSQL is started: a prefix for its command, options for ``Popen``."""

    prefix: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def account_of(folder: Folder, binaries: Path) -> Account:
    """Choose the user for the server of a folder; lends the folder to ``nobody`` if it must.

    Raises:
        FolderUnfit: ``nobody`` cannot reach the folder or the binaries.
    """
    if os.geteuid() != 0:
        # A user without a name, as some containers have, is refused by initdb too.
        return Account() if _has_a_name() or not _grants_namespaces() else Account(_NAMESPACE)
    if not folder.is_lent:
        if _grants_namespaces():
            return Account(_NAMESPACE)
        folder.lend()
    nobody = pwd.getpwnam("nobody")
    account = Account(
        options={"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []},
    )
    for needed in (folder.path, binaries / "postgres"):
        reach = ["test", "-x", str(needed)]
        if subprocess.run(reach, check=False, cwd="/", **account.options).returncode != 0:  # noqa: S603 - fixed words, our own paths
            raise FolderUnfit(
                "PostgreSQL does not run as root, this machine grants no user namespace, and the "
                f"user nobody does not reach {needed}: run this command as an ordinary user, or "
                "keep it where every user may go."
            )
    return account


def _has_a_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _grants_namespaces() -> bool:
    try:
        tried = subprocess.run([*_NAMESPACE, "true"], check=False, capture_output=True)  # noqa: S603 - fixed words
    except FileNotFoundError:
        return False
    return tried.returncode == 0
