"""The embedded PostgreSQL: one per folder, closed to others, nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from app.platform.embedded import Embedded, FolderUnfit, KeysMissing, ServerFailed
from app.platform.embedded.keeper import living
from tests.embedding import ask, postmaster

JOIN = """
import sys, time
from pathlib import Path
from app.platform.embedded import Embedded
with Embedded(Path(sys.argv[1]), binaries=Path(sys.argv[2])):
    print("joined", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path, binaries: Path) -> Iterator[subprocess.Popen[str]]:
    """Join the server of a folder from another process; the block's end makes it leave."""
    with subprocess.Popen(  # noqa: S603 - this file's own script
        [sys.executable, "-c", JOIN, folder, binaries],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "joined\n"
        yield process


def keeper(embedded: Embedded) -> int:
    """Find the keeper: the parent of the server."""
    return int(Path(f"/proc/{postmaster(embedded)}/stat").read_text().split()[3])


def servers(data: Path) -> list[int]:
    """Find the servers on a folder: of its processes, those that no other of them started.

    A child is told by its parent and not by its name: until it has set its title, a new one bears
    the server's.
    """
    parents = {}
    for number in living(data):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[number] = int(Path(f"/proc/{number}/stat").read_text().split()[3])
    return [number for number, parent in parents.items() if parent not in parents]


def keeper_is_gone(embedded: Embedded) -> bool:
    lock = embedded.folder.try_lock("keeper")
    if lock is None:
        return False
    os.close(lock)
    return True


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def test_a_fresh_folder_gets_a_database_and_keys_that_only_its_owner_reaches(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    assert await ask(embedded, "SELECT current_database()") == "optout"
    modes = {
        path.name: oct(path.stat().st_mode & 0o777)
        for path in (
            embedded.folder.path,
            embedded.folder.data,
            embedded.folder.path / "digest.keys",
            embedded.folder.path / "sealing.keys",
        )
    }
    assert modes == {
        "data": "0o700",
        "postgres": "0o700",
        "digest.keys": "0o600",
        "sealing.keys": "0o600",
    }
    assert await ask(embedded, "SHOW listen_addresses") == ""
    assert await ask(embedded, "SHOW unix_socket_permissions") == "0600"
    assert await ask(embedded, "SHOW fsync") == "on"
    keys = embedded.keys()
    assert keys.digest.startswith("1:")
    assert keys.digest != keys.sealing
    assert keys.digest not in repr(keys)


async def test_what_was_committed_is_there_after_a_restart(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    keys = embedded.keys()
    await ask(embedded, "CREATE TABLE kept AS SELECT 7 AS number")
    embedded.stop()
    assert living(embedded.folder.data) == []
    embedded.start()
    assert await ask(embedded, "SELECT number FROM kept") == 7
    assert embedded.keys() == keys


async def test_the_server_runs_until_the_last_of_its_users_has_left(
    open_embedded: Callable[..., Embedded], binaries: Path
) -> None:
    first, second = open_embedded(), open_embedded()
    first.start()
    with another_process(first.folder.path, binaries):
        second.start()
        started = await ask(first, "SELECT pg_postmaster_start_time()")
        first.stop()
        assert await ask(second, "SELECT pg_postmaster_start_time()") == started
        second.stop()
        assert await ask(second, "SELECT pg_postmaster_start_time()") == started
    assert within(5, lambda: living(first.folder.data) == [])


def test_many_processes_that_start_at_once_share_one_server(tmp_path: Path, binaries: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        joining = [
            pool.submit(stack.enter_context, another_process(folder, binaries)) for _ in range(5)
        ]
        for each in joining:
            each.result()
        assert len(servers(folder / "postgres")) == 1


@pytest.mark.parametrize("times", range(3))
async def test_joining_while_the_last_one_leaves_finds_a_server(
    open_embedded: Callable[..., Embedded], binaries: Path, times: int
) -> None:
    first, second = open_embedded(), open_embedded()
    first.start()
    with another_process(first.folder.path, binaries) as other:
        first.stop()
        assert other.stdin is not None
        other.stdin.close()
        await asyncio.sleep(times * 0.07)
        second.start()
        assert await ask(second) == 1


def test_nothing_is_left_when_every_user_is_killed(tmp_path: Path, binaries: Path) -> None:
    folder = tmp_path / "data"
    with another_process(folder, binaries) as process:
        assert living(folder / "postgres")
        process.kill()
    assert within(10, lambda: living(folder / "postgres") == [])


async def test_a_killed_postgres_is_started_again_for_its_users(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    await ask(embedded, "CREATE TABLE kept AS SELECT 7 AS number")
    killed = postmaster(embedded)
    os.kill(killed, signal.SIGKILL)
    assert within(10, lambda: killed not in living(embedded.folder.data))
    embedded.start()
    assert await ask(embedded, "SELECT number FROM kept") == 7


async def test_a_killed_keeper_takes_its_server_along_and_the_next_start_replaces_both(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    os.kill(keeper(embedded), signal.SIGKILL)
    assert within(10, lambda: living(embedded.folder.data) == [])
    embedded.start()
    assert await ask(embedded) == 1


async def test_keeper_and_server_killed_together_are_replaced(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    for each in (keeper(embedded), postmaster(embedded)):
        os.kill(each, signal.SIGKILL)
    assert within(10, lambda: keeper_is_gone(embedded))
    embedded.start()
    assert await ask(embedded) == 1


async def test_a_stale_pid_file_that_names_a_living_process_is_no_server(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    embedded.stop()
    stale = f"{os.getpid()}\n{embedded.folder.data}\n1\n5432\n{embedded.folder.data}\n\n1\n"
    (embedded.folder.data / "postmaster.pid").write_text(stale)
    (embedded.folder.data / ".s.PGSQL.5432.lock").write_text(stale)
    (embedded.folder.data / ".s.PGSQL.5432").touch()
    embedded.start()
    assert await ask(embedded) == 1


async def test_interrupting_the_terminal_stops_only_its_programs(
    tmp_path: Path, binaries: Path
) -> None:
    folder = tmp_path / "data"
    with another_process(folder, binaries) as process:
        embedded = Embedded(folder, binaries=binaries)
        embedded.start()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        assert await ask(embedded) == 1
        embedded.stop()


@pytest.mark.parametrize(
    "name", ["a space", "#%?é:@&", "a,comma", "'quotes\"", "line\nend", "x" * 120]
)
async def test_the_folder_may_have_any_name(
    open_embedded: Callable[..., Embedded], tmp_path: Path, name: str
) -> None:
    embedded = open_embedded(tmp_path / name)
    embedded.start()
    assert await ask(embedded) == 1
    embedded.stop()
    embedded.start()
    assert await ask(embedded) == 1
    if embedded.folder.sockets != embedded.folder.data:
        assert embedded.folder.sockets.stat().st_mode & 0o777 == 0o700
        embedded.stop()
        embedded.folder.sockets.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(
    open_embedded: Callable[..., Embedded], tmp_path: Path
) -> None:
    embedded = open_embedded(tmp_path / "a,comma")
    embedded.folder.sockets.mkdir(mode=0o777)
    embedded.folder.sockets.chmod(0o777)
    with pytest.raises(FolderUnfit, match="made by somebody else"):
        embedded.start()
    embedded.folder.sockets.rmdir()


@pytest.mark.parametrize("name", ["digest.keys", "sealing.keys"])
def test_a_database_without_its_keys_never_gets_new_ones(
    open_embedded: Callable[..., Embedded], name: str
) -> None:
    embedded = open_embedded()
    embedded.start()
    embedded.stop()
    (embedded.folder.path / name).unlink()
    embedded.start()
    with pytest.raises(KeysMissing, match=name):
        embedded.keys()
    assert not (embedded.folder.path / name).exists()


def test_a_second_claim_names_the_process_that_holds_the_first(
    open_embedded: Callable[..., Embedded],
) -> None:
    first, second = open_embedded(), open_embedded()
    first.claim()
    with pytest.raises(FolderUnfit, match=f"Process {os.getpid()} serves"):
        second.claim()
    first.stop()
    second.claim()


def test_a_folder_with_other_things_in_it_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(FolderUnfit, match="holds other things"):
        Embedded(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_an_opened_data_folder_is_closed_again(
    open_embedded: Callable[..., Embedded],
) -> None:
    embedded = open_embedded()
    embedded.start()
    embedded.stop()
    embedded.folder.path.chmod(0o755)
    open_embedded()
    assert embedded.folder.path.stat().st_mode & 0o777 == 0o700


def test_a_server_that_cannot_start_says_why(tmp_path: Path, binaries: Path) -> None:
    embedded = Embedded(tmp_path / "data", binaries=binaries, settings={"shared_buffers": "1"})
    with pytest.raises(ServerFailed, match="shared_buffers"):
        embedded.start()
    assert living(embedded.folder.data) == []
