"""``optout serve`` and the commands beside it, as processes that are started, ended and killed."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.platform.embedded.keeper import living
from tests.conftest import DIGEST_KEYS, SEALING_KEYS
from tests.servers import OPTOUT, Served, environment, free_port, optout, serving

pytestmark = pytest.mark.own_postgres

KEYS = {"OPTOUT_DIGEST_KEYS": DIGEST_KEYS, "OPTOUT_SEALING_KEYS": SEALING_KEYS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name a data folder that is not there yet."""
    return tmp_path / "registry"


def status(served: Served, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{served.url}/v1/keys", headers=headers).status_code


def worker_processes(served: Served) -> set[int]:
    """Find the processes that a served registry has started as workers."""
    return children(served.process.pid, b"worker")


def children(parent_id: int, word: bytes) -> set[int]:
    """Find the processes that another has started with a word in their command."""
    found = set()
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError):
                words = (each / "cmdline").read_bytes().split(b"\0")
                parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == parent_id and word in words:
                    found.add(int(each.name))
    return found


def listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((str(address.hostname), int(address.port or 0)), 1).close()
    except OSError:
        return False
    return True


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ready(served: Served) -> int:
    with suppress(httpx.TransportError):
        return httpx.get(f"{served.url}/readyz").status_code
    return 0


def test_the_first_start_makes_everything_and_an_admin_key_that_later_starts_leave_alone(
    folder: Path,
) -> None:
    with serving(folder) as served:
        key = served.admin_key
        assert status(served, key) == 200
        assert (folder / "admin.key").stat().st_mode & 0o777 == 0o600
        assert key not in served.log.read_text(encoding="utf-8")
    with serving(folder) as served:
        assert served.admin_key == key
        assert status(served, key) == 200
        assert "admin" not in served.log.read_text(encoding="utf-8")


def test_a_terminal_is_shown_the_admin_key_and_link_once(folder: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - the command under test
        [*OPTOUT, "serve", "--port", str(free_port()), "--no-worker"],
        env=environment(folder, {}),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        assert within(30, (folder / "admin.link").exists)
        shown = ""
        while "/invited/" not in shown:
            shown += os.read(ours, 10_000).decode()
        # This signal comes before the server listens to any.
        process.terminate()
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
    os.close(ours)
    for secret in ("admin.key", "admin.link"):
        assert shown.split().count((folder / secret).read_text(encoding="ascii").strip()) == 1


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_ends_everything_cleanly(folder: Path, by: signal.Signals, workers: str) -> None:
    with serving(folder, "--workers", workers) as served:
        assert served.end(by) == 0
        assert not listens(served.url)
        assert worker_processes(served) == set()
        assert living(folder / "postgres") == []
        assert "shut down" in (folder / "postgres.log").read_text(encoding="utf-8").splitlines()[-1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_is_left_of_a_killed_serve_and_the_next_one_starts(
    folder: Path, workers: str
) -> None:
    temporary = folder.with_name("temporary")
    temporary.mkdir()
    with serving(folder, "--workers", workers, TMPDIR=str(temporary)) as served:
        served.end(signal.SIGKILL)
        assert within(10, lambda: not listens(served.url))
        assert within(10, lambda: living(folder / "postgres") == [])
    assert len(list(temporary.glob("optout-metrics-*"))) == 1
    with serving(folder, TMPDIR=str(temporary)) as served:
        assert status(served, served.admin_key) == 200
        assert len(list(temporary.glob("optout-metrics-*"))) == 1


def test_a_killed_postgres_is_away_for_a_moment_only(folder: Path) -> None:
    with serving(folder) as served:
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        assert within(20, lambda: ready(served) == 503)
        assert within(20, lambda: ready(served) == 200)


def test_a_killed_keeper_is_replaced_while_serving(folder: Path) -> None:
    with serving(folder) as served:
        postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        stat = Path(f"/proc/{postmaster}/stat").read_text()
        os.kill(int(stat.split()[3]), signal.SIGKILL)
        assert within(20, lambda: ready(served) == 503)
        assert within(20, lambda: ready(served) == 200)


def test_a_killed_worker_is_replaced(folder: Path) -> None:
    with serving(folder) as served:
        assert within(20, lambda: len(worker_processes(served)) == 1)
        (killed,) = worker_processes(served)
        os.kill(killed, signal.SIGKILL)
        assert within(20, lambda: len(worker_processes(served) - {killed}) == 1)


def test_killed_jobs_beside_a_worker_of_its_own_are_replaced(folder: Path) -> None:
    with (
        serving(folder, "--no-worker"),
        subprocess.Popen(  # noqa: S603 - the command under test
            [*OPTOUT, "worker"], env=environment(folder, {}), stderr=subprocess.DEVNULL
        ) as worker,
    ):
        try:
            assert within(20, lambda: len(children(worker.pid, b"app.jobs")) == 1)
            (killed,) = children(worker.pid, b"app.jobs")
            # What jobs count, as a key that scrubs far more than ever, the worker tells.
            said = Path(f"/proc/{killed}/environ").read_bytes().split(b"\0")
            (figures,) = [each for each in said if each.startswith(b"PROMETHEUS_MULTIPROC_DIR=")]
            counted = Path(figures.partition(b"=")[2].decode()) / f"counter_{killed}.db"
            assert within(20, counted.exists)
            os.kill(killed, signal.SIGKILL)
            assert within(20, lambda: len(children(worker.pid, b"app.jobs") - {killed}) == 1)
            assert within(20, lambda: not counted.exists())
            worker.terminate()
            assert worker.wait(30) == 0
        finally:
            worker.kill()


def test_no_worker_runs_where_none_is_wanted(folder: Path) -> None:
    with serving(folder, "--no-worker") as served:
        time.sleep(2)
        assert worker_processes(served) == set()


def test_a_connection_is_kept_for_longer_than_clients_keep_theirs(folder: Path) -> None:
    with (
        serving(folder, "--no-worker") as served,
        # Unlike httpx, it does not connect anew what the other end has closed.
        closing(HTTPConnection(urlsplit(served.url).netloc)) as connection,
    ):
        for pause in (5.5, 0):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            time.sleep(pause)


def test_a_second_serve_on_a_folder_is_refused_and_names_the_first(folder: Path) -> None:
    with serving(folder) as served:
        second = optout("serve", "--port", str(free_port()), folder=folder)
        assert second.returncode == 1
        said = f"Process {served.process.pid} serves from {folder} already"
        assert second.stderr.startswith(said), "a sentence, and no trace"
        assert ready(served) == 200


def test_a_key_made_beside_serve_works_at_once_and_a_revoked_one_no_longer(folder: Path) -> None:
    with serving(folder) as served:
        made = optout("keys", "create", "--name", "ops", "--scope", "admin", folder=folder)
        assert made.returncode == 0
        key = made.stdout.splitlines()[-1]
        assert status(served, key) == 200
        listed = optout("keys", "list", folder=folder).stdout.splitlines()
        (id_,) = [line.split("\t")[0] for line in listed if "\tops\t" in line]
        assert optout("keys", "revoke", id_, folder=folder).returncode == 0
        assert within(1, lambda: status(served, key) == 401)
        assert ready(served) == 200


def test_commands_work_on_a_folder_that_nobody_serves(folder: Path) -> None:
    made = optout("keys", "create", "--name", "first", "--scope", "checks", folder=folder)
    assert made.returncode == 0
    assert made.stdout.startswith("optout_")
    verified = optout("verify", folder=folder)
    assert (verified.returncode, verified.stdout) == (0, "0 entries: whole\n")
    assert living(folder / "postgres") == []


def test_a_folder_without_its_keys_is_refused(folder: Path) -> None:
    optout("migrate", folder=folder)
    (folder / "digest.keys").unlink()
    refused = optout("serve", "--port", str(free_port()), folder=folder)
    assert refused.returncode == 1
    assert "digest.keys" in refused.stderr
    assert living(folder / "postgres") == []


def test_a_folder_with_another_registrys_keys_is_refused(folder: Path) -> None:
    with serving(folder):
        pass
    (folder / "digest.keys").write_text(DIGEST_KEYS, encoding="ascii")
    refused = optout("serve", "--port", str(free_port()), folder=folder)
    assert refused.returncode == 1
    assert "digest key 1" in refused.stderr


async def test_an_empty_database_at_a_url_is_refused_until_it_is_made(
    folder: Path, empty_url: str
) -> None:
    refused = optout(
        "serve", "--port", str(free_port()), folder=folder, OPTOUT_DATABASE_URL=empty_url, **KEYS
    )
    assert refused.returncode == 1
    assert "optout migrate --init" in refused.stderr
    refused = optout("migrate", folder=folder, OPTOUT_DATABASE_URL=empty_url)
    assert refused.returncode == 1
    made = optout("migrate", "--init", folder=folder, OPTOUT_DATABASE_URL=empty_url)
    assert made.returncode == 0
    with serving(folder, port=None, OPTOUT_DATABASE_URL=empty_url, **KEYS) as served:
        assert ready(served) == 200
    assert not os.path.lexists(folder)  # noqa: ASYNC240 - nothing else runs in this loop


async def test_a_database_at_a_url_is_refused_with_no_keys_or_wrong_ones(
    folder: Path, database_url: str
) -> None:
    given = {"OPTOUT_DATABASE_URL": database_url, **KEYS}
    with serving(folder, port=None, **given):
        pass
    wrong = {**given, "OPTOUT_DIGEST_KEYS": SEALING_KEYS}
    for keys, reason in (
        (wrong, "digest key 1"),
        ({"OPTOUT_DATABASE_URL": database_url}, "OPTOUT_DIGEST_KEYS"),
    ):
        refused = optout("serve", "--port", str(free_port()), folder=folder, **keys)
        assert refused.returncode == 1
        assert reason in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "words", [("serve",), ("migrate",), ("verify",), ("keys", "list")], ids=" ".join
)
def test_a_database_that_does_not_answer_is_exit_status_3(
    folder: Path, words: tuple[str, ...]
) -> None:
    url = f"postgresql://somebody@127.0.0.1:{free_port()}/registry"
    away = optout(*words, folder=folder, OPTOUT_DATABASE_URL=url, **KEYS)
    assert away.returncode == 3
    assert "cannot be reached" in away.stderr
    assert "Traceback" not in away.stderr


def test_jobs_that_begin_in_an_outage_end_with_the_reason_in_a_line(folder: Path) -> None:
    url = f"postgresql://somebody@127.0.0.1:{free_port()}/registry"
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "app.jobs"],
        env=environment(folder, {"OPTOUT_DATABASE_URL": url, **KEYS}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "Connect call failed" in line or "Connection refused" in line


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--port", "http"),
        ("keys", "create", "--name", "x", "--scope", "everything"),
        ("keys", "revoke", "the-first"),
        ("no-such-command",),
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_status_2(folder: Path, words: tuple[str, ...]) -> None:
    wrong = optout(*words, folder=folder)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
    assert not folder.exists()


def test_a_setting_that_cannot_be_read_is_named_without_its_value(folder: Path) -> None:
    wrong = optout("settings", folder=folder, OPTOUT_ALLOW_SECONDS="a-secret")
    assert wrong.returncode == 2
    assert "OPTOUT_ALLOW_SECONDS" in wrong.stderr
    assert "a-secret" not in wrong.stderr


def test_settings_show_no_secret(folder: Path) -> None:
    url = "postgresql://somebody:a-secret@127.0.0.1/registry"
    shown = optout(
        "settings", folder=folder, OPTOUT_DATABASE_URL=url, OPTOUT_KEY="a-secret", **KEYS
    )
    assert shown.returncode == 0
    assert "OPTOUT_DIGEST_KEYS\t(set)\t" in shown.stdout
    assert "a-secret" not in shown.stdout
    assert DIGEST_KEYS not in shown.stdout
