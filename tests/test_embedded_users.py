"""The embedded PostgreSQL under other users than the one that usually tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.platform.embedded import Embedded, FolderUnfit
from app.platform.embedded.keeper import living
from tests.embedding import ask, postmaster

SYSTEM_PYTHON = Path("/usr/bin/python3")
PROJECT = Path(__file__).parents[1]

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def open_parent() -> Iterator[Path]:
    """Make a folder that every user reaches, unlike those of the test run."""
    parent = Path(tempfile.mkdtemp(dir="/var/tmp"))
    parent.chmod(0o755)
    yield parent
    shutil.rmtree(parent)


@only_root
@pytest.mark.parametrize("user", ["nobody", "without a name"])
def test_an_ordinary_user_runs_one_of_its_own(open_parent: Path, binaries: Path, user: str) -> None:
    number = pwd.getpwnam(user).pw_uid if user == "nobody" else 54_321
    folder = open_parent / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, number, number)
    script = (
        "import sys; from pathlib import Path; from app.platform.embedded import Embedded\n"
        "with Embedded(Path(sys.argv[1]), binaries=Path(sys.argv[2])) as embedded:\n"
        "    print(embedded.folder.data.stat().st_uid)"
    )
    try:
        # This interpreter may lie in root's home; the package needs nothing but the library.
        done = subprocess.run(  # noqa: S603 - this file's own script
            [SYSTEM_PYTHON, "-c", script, folder, binaries],
            user=number,
            group=number,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": str(PROJECT), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        pytest.skip(f"an ordinary user cannot run it here: {error}")
    assert (done.stdout, done.stderr) == (f"{number}\n", "")
    assert living(folder / "postgres") == []


@only_root
def test_another_users_folder_is_refused(open_parent: Path) -> None:
    folder = open_parent / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, 4711, 4711)
    with pytest.raises(FolderUnfit, match="belongs to user 4711"):
        Embedded(folder)


@pytest.fixture
def no_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make unshare fail, as in a container that grants no user namespace."""
    refusing = tmp_path / "bin" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")


def owner_of_process(number: int) -> str:
    return Path(f"/proc/{number}").owner()


@only_root
@pytest.mark.usefixtures("no_namespaces")
async def test_root_without_a_user_namespace_lends_the_folder_to_nobody(
    open_embedded: Callable[..., Embedded], open_parent: Path
) -> None:
    embedded = open_embedded(open_parent / "data")
    for _ in range(2):
        embedded.start()
        assert await ask(embedded) == 1
        assert embedded.folder.data.owner() == "nobody"
        assert owner_of_process(postmaster(embedded)) == "nobody"
        assert (embedded.folder.path / "digest.keys").owner() == "root"
        embedded.stop()
        assert living(embedded.folder.data) == []


@only_root
@pytest.mark.usefixtures("no_namespaces")
def test_root_is_told_when_nobody_cannot_reach_the_folder(
    open_embedded: Callable[..., Embedded], open_parent: Path
) -> None:
    open_parent.chmod(0o700)
    with pytest.raises(FolderUnfit, match="the user nobody"):
        open_embedded(open_parent / "data").start()


@only_root
def test_root_is_told_when_its_namespace_is_gone(
    open_embedded: Callable[..., Embedded], request: pytest.FixtureRequest
) -> None:
    embedded = open_embedded()
    embedded.start()
    embedded.stop()
    request.getfixturevalue("no_namespaces")
    with pytest.raises(FolderUnfit, match="grants none now"):
        embedded.start()
