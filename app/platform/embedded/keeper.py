"""The keeper: the one process that is the server's parent, apart from all who use it.

It starts PostgreSQL, starts it again when it crashes, and stops it when nobody holds the users'
lock any more, however they went. Thus no user has to outlive another, and a killed one leaves
nothing running. When the keeper itself is killed the kernel stops PostgreSQL, and the next
``Embedded.start`` makes another keeper.

Run by ``Embedded`` alone; it inherits ``keeper.lock``, held, and answers by what it does.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from .account import Account, account_of
from .folder import Folder, attempt

POLL_SECONDS = 0.1
_LEFTOVERS_SECONDS = 60
_FAST_STOP_SECONDS = 30
_QUICK_END_SECONDS = 5
_QUICK_ENDS = 3
"""How often in a row the server may end soon after its start before the keeper gives up."""


def main() -> None:
    """Keep the server of a folder: ``keeper <folder> <binaries> [name=value...]``."""
    folder = Folder(Path(sys.argv[1]))
    binaries = Path(sys.argv[2])
    # The terminal's Ctrl-C and a service manager's SIGTERM are for the users: their leaving tells.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    os.chdir("/")
    keep(folder, server_command(folder, binaries, sys.argv[3:]), account_of(folder, binaries))


def server_command(folder: Folder, binaries: Path, settings: list[str]) -> list[str]:
    """Write the server's command line: a socket that only its owner may use, and no port."""
    sockets = str(folder.sockets).replace('"', '""')
    given = [
        "listen_addresses=",
        f'unix_socket_directories="{sockets}"',
        "unix_socket_permissions=0600",
        "max_connections=200",
        *settings,
    ]
    options = [word for setting in given for word in ("-c", setting)]
    return [str(binaries / "postgres"), "-D", str(folder.data), *options]


def keep(folder: Folder, command: list[str], account: Account) -> None:
    """Run the server until its last user is gone."""
    users = folder.open_lock("users")
    quick_ends = 0
    while quick_ends < _QUICK_ENDS:
        end_leftovers(folder)
        started = time.monotonic()
        with _start(command, account) as server:
            while server.poll() is None:
                if attempt(users, fcntl.LOCK_EX):
                    stop(server)
                    return
                time.sleep(POLL_SECONDS)
        quick = time.monotonic() - started < _QUICK_END_SECONDS
        quick_ends = quick_ends + 1 if quick else 0


def _start(command: list[str], account: Account) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the server's own binary
        [*account.prefix, *command],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_the_keeper,  # noqa: PLW1509 - the keeper has one thread
        **account.options,
    )


def _die_with_the_keeper() -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    # PR_SET_PDEATHSIG, prctl(2): SIGINT is PostgreSQL's fast shutdown.
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server cleanly, within half a minute, else at once (its log is replayed later)."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_FAST_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def living(data: Path) -> list[int]:
    """Find the processes of a server on this folder; all have it as working directory.

    ``postmaster.pid`` is not asked: its number may be another process's by now, and a killed
    postmaster stays a zombie, which has no working directory, where nothing reaps orphans.
    """
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError):
                here = (each / "cwd").readlink() == data
                if here and (each / "comm").read_text().startswith("postgres"):
                    found.append(int(each.name))
    return found


def end_leftovers(folder: Folder) -> None:
    """Wait for what an earlier server left running to end, urge it, and remove its lock files."""
    began = time.monotonic()
    while left := living(folder.data):
        waited = time.monotonic() - began
        if waited > _LEFTOVERS_SECONDS:
            sys.exit(f"still running on {folder.data}: {left}")
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT if waited < _FAST_STOP_SECONDS else signal.SIGQUIT)
        time.sleep(POLL_SECONDS)
    for stale in folder.stale_files():
        stale.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
