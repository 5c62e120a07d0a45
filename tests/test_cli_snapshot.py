"""Snapshots in files: whole or not at all."""

import asyncio
from pathlib import Path

import pytest

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
