"""Snapshots in files: whole or not at all."""

import asyncio
from pathlib import Path

import pytest
import zstandard

from app.cli.outputs import replacing
from tests.commands import ask
from tests.peers import Talk

pytestmark = pytest.mark.own_postgres

LINE = b'{"identifier": {"kind": "phone", "format": "plain", "value": "+33639981001"}}\n'
CHUNK = b"%x\r\n%b\r\n" % (len(LINE), LINE)
HEAD = b"HTTP/1.1 200 OK\r\nJournal-Cursor: abc\r\nTransfer-Encoding: chunked\r\n\r\n"


def _streaming(*parts: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"".join(parts))
        await writer.drain()

    return talk


async def test_a_snapshot_that_breaks_off_leaves_the_one_before_it(tmp_path: Path) -> None:
    list_, cursor = tmp_path / "list", tmp_path / "list.cursor"
    whole = await ask(_streaming(HEAD, CHUNK, b"0\r\n\r\n"), "snapshot", "-o", str(list_))
    assert whole.returncode == 0, whole.stderr
    assert list_.read_bytes() == LINE
    assert list_.stat().st_mode & 0o777 == 0o600
    assert cursor.read_bytes() == b"abc\n"

    broken = await ask(_streaming(HEAD, CHUNK, CHUNK), "snapshot", "-o", str(list_))
    assert broken.returncode == 3, broken.stderr
    assert list_.read_bytes() == LINE
    assert _names(tmp_path) == ["list", "list.cursor"]


async def test_what_a_killed_command_left_is_written_over(tmp_path: Path) -> None:
    list_, part = tmp_path / "list", tmp_path / ".list.part"
    part.write_bytes(b"half a list, longer than the whole one" * 10)
    part.chmod(0o644)
    whole = await ask(_streaming(HEAD, CHUNK, b"0\r\n\r\n"), "snapshot", "-o", str(list_))
    assert whole.returncode == 0, whole.stderr
    assert list_.read_bytes() == LINE
    assert list_.stat().st_mode & 0o777 == 0o600
    assert _names(tmp_path) == ["list", "list.cursor"]


async def test_two_commands_do_not_write_one_file(tmp_path: Path) -> None:
    list_ = tmp_path / "list"
    with replacing(list_) as file:
        file.write(b"the first")
        refused = await ask(_streaming(HEAD, CHUNK, b"0\r\n\r\n"), "snapshot", "-o", str(list_))
        assert refused.returncode == 1
        assert refused.stderr == f"{list_}: another command is writing it\n"
    assert list_.read_bytes() == b"the first"
    assert _names(tmp_path) == ["list"]


async def test_a_list_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / ".list.part").symlink_to(victim)
    done = await ask(_streaming(HEAD, CHUNK, b"0\r\n\r\n"), "snapshot", "-o", f"{tmp_path}/list")
    assert done.returncode == 1
    assert victim.read_bytes() == b"mine"


async def test_a_list_travels_packed_and_says_what_it_is_for(tmp_path: Path) -> None:
    asked: list[bytes] = []
    packed = zstandard.compress(LINE * 3)
    head = HEAD.replace(b"200 OK", b"200 OK\r\nContent-Encoding: zstd\r\nOptout-Lines-Expected: 9")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed))
        await writer.drain()

    words = ("snapshot", "-o", f"{tmp_path}/list", "--purpose", "campagne d'été")
    done = await ask(talk, *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "list").read_bytes() == LINE * 3
    assert done.stderr.startswith("3 lines; 0 more are erased")
    headers = asked[0].lower().splitlines()
    assert "optout-purpose: campagne d'été".encode() in headers
    (accepted,) = (line for line in headers if line.startswith(b"accept-encoding: "))
    assert b"zstd" in accepted
    for purpose in ("two\nlines", "a\x1b[0m"):
        done = await ask(talk, *words[:-1], purpose)
        assert done.returncode == 2


async def test_a_page_that_is_no_snapshot_is_not_written(tmp_path: Path) -> None:
    page = HEAD.replace(b"Journal-Cursor", b"Server")
    done = await ask(_streaming(page, CHUNK, b"0\r\n\r\n"), "snapshot", "-o", f"{tmp_path}/list")
    assert done.returncode == 3
    assert _names(tmp_path) == []


async def test_a_snapshot_says_where_it_cannot_be_written(tmp_path: Path) -> None:
    done = await ask(_streaming(HEAD, b"0\r\n\r\n"), "snapshot", "-o", f"{tmp_path}/no/list")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())
