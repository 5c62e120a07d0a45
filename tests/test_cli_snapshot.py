"""Snapshots in files: whole or not at all."""

import asyncio
import json
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import zstandard

from app.cli.broken_off import Held, hold, write_note
from app.cli.follow.ending import Ending
from app.cli.follow.engines import Sqlite
from app.cli.follow.follower import Follower
from app.cli.follow.store import Store
from app.cli.outputs import replacing
from app.cli.remote import connected
from tests.commands import Command, ask
from tests.peers import Talk, peer

pytestmark = pytest.mark.own_postgres

LINE = b'{"identifier": {"kind": "phone", "format": "plain", "value": "+33639981001"}}\n'
CHUNK = b"%x\r\n%b\r\n" % (len(LINE), LINE)
HEAD = (
    b"HTTP/1.1 200 OK\r\nJournal-Cursor: abc\r\nOptout-Erased: 0\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


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
    assert _names(tmp_path) == [".list.part", ".list.part.cursor", "list", "list.cursor"]


ROWS = {
    "ndjson": [
        json.dumps({"identifier": {"value": f"x{number}\n"}, "position": 10 * number}).encode()
        + b"\n"
        for number in range(1, 5)
    ],
    "csv": [
        b"kind,value,brand,media,version,position,since\r\n",
        b"phone,+33639980001,,voice,1,10,2026-03-01T00:00:00.000000Z\r\n",
        # What looks like the end of a line, within quotes: nobody may be left out by it.
        (
            b'customer,"crm:a,,voice,1,99,2026-03-01T00:00:00.000000Z\r\n,\xc3\xa9",,voice,1,20,'
            b"2026-03-01T00:00:00.000000Z\r\n"
        ),
        b"phone,+33639980003,,voice,1,30,2026-03-01T00:00:00.000000Z\r\n",
        b"phone,+33639980004,,voice,1,40,2026-03-01T00:00:00.000000Z\r\n",
    ],
}


def _sent(asked: list[str], rows: list[bytes], cuts: list[int]) -> Talk:
    """Send the rows behind the one that is asked for, each time cut short after so many bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        asked.append(target)
        after = parse_qs(urlsplit(target).query).get("after")
        found = [0] if after is None else _places(rows, int(after[0]))
        body = b"".join(rows[found[0] :])[: cuts.pop(0)]
        writer.write(HEAD + b"%x\r\n%b\r\n" % (len(body), body))
        writer.write(b"0\r\n\r\n" if body.endswith(rows[-1]) else b"")
        await writer.drain()

    return talk


def _places(rows: list[bytes], position: int) -> list[int]:
    marks = (b'"position": %d}' % position, b",1,%d,2026-03-01T00:00:00.000000Z\r\n" % position)
    return [number for number, row in enumerate(rows, 1) if any(mark in row for mark in marks)]


@pytest.mark.parametrize("written_as", ["ndjson", "csv"])
async def test_a_list_that_broke_off_is_gone_on_with_wherever_it_was_cut(
    tmp_path: Path, written_as: str
) -> None:
    rows, list_ = ROWS[written_as], tmp_path / "list"
    whole = b"".join(rows)
    words = ("snapshot", "-o", str(list_), "--format", written_as)
    for cut in (9, len(whole) // 2, len(whole) - 2):
        asked: list[str] = []
        async with peer(_sent(asked, rows, [cut, len(whole)])) as registry:
            run = Command(f"http://127.0.0.1:{registry.port}").here
            assert (await asyncio.to_thread(run, *words)).returncode == 3
            done = await asyncio.to_thread(run, *words)
        assert done.returncode == 0, done.stderr
        assert list_.read_bytes() == whole
        assert _names(tmp_path) == ["list", "list.cursor"]
        assert done.stderr.split()[0] == str(whole.count(b"\n")), done.stderr


async def test_a_follower_s_list_that_broke_off_is_gone_on_with_behind_what_came(
    tmp_path: Path,
) -> None:
    who = {"kind": "phone", "format": "plain"}
    state = {"brand": None, "media": ["voice"], "version": 1, "since": "2026-03-01T00:00:00Z"}
    rows = [
        json.dumps(state | {"identifier": who | {"value": f"+{at}"}, "position": at}).encode()
        + b"\n"
        for at in range(1, 4_002)
    ]
    asked: list[str] = []
    cut = len(b"".join(rows[:2_500]))

    def follow(url: str) -> int:
        with (
            connected(url, {}, seconds=10) as reached,
            closing(Store(Sqlite(tmp_path / "list"))) as store,
        ):
            Follower(reached, store, Ending()).step(wait=0)
            return store.count()

    async with peer(_sent(asked, rows, [cut, 10**9])) as registry:
        count = await asyncio.to_thread(follow, f"http://127.0.0.1:{registry.port}")
    assert asked == ["/v1/snapshot", "/v1/snapshot?cursor=abc&after=2000"]
    assert count == len(rows)


@pytest.mark.parametrize("written_as", ["ndjson", "csv"])
def test_whole_lines_are_held_of_a_list_wherever_it_was_cut(
    tmp_path: Path, written_as: str
) -> None:
    rows, part, note = ROWS[written_as], tmp_path / "part", tmp_path / "note"
    whole = b"".join(rows)
    with note.open("wb") as file:
        write_note(file, "abc", "this one")
    for cut in range(len(whole) + 1):
        part.write_bytes(whole[:cut])
        complete = [b"".join(rows[:number]) for number in range(len(rows) + 1)]
        kept = [one for one in complete if len(one) <= cut][-1]
        first = written_as == "csv"
        with part.open("r+b") as file:
            held = hold(file, note, source="this one", is_csv=first)
            file.write(b"|")
        number = complete.index(kept)
        if number <= first:
            assert (held, part.read_bytes()) == (None, b"|")
        else:
            assert held == Held("abc", 10 * (number - first), kept.count(b"\n"))
            assert part.read_bytes() == kept + b"|"


async def test_what_is_held_of_another_list_is_no_beginning_of_this_one(tmp_path: Path) -> None:
    rows, list_ = ROWS["csv"], tmp_path / "list"
    asked: list[str] = []
    async with peer(_sent(asked, rows, [300, 300, 9_999])) as registry:
        run = Command(f"http://127.0.0.1:{registry.port}").here
        for key in ("optout_one", "optout_two", "optout_one"):
            words = ("snapshot", "-o", str(list_), "--format", "csv", "--key", key)
            done = await asyncio.to_thread(run, *words)
    assert (asked, done.returncode) == (["/v1/snapshot"] * 3, 0)
    assert list_.read_bytes() == b"".join(rows)


async def test_what_is_held_of_a_journal_that_forked_is_begun_anew(tmp_path: Path) -> None:
    rows, list_ = ROWS["ndjson"], tmp_path / "list"
    asked: list[str] = []
    sent = _sent(asked, rows, [120, 9_999])
    gone = json.dumps({"type": "/problems/journal-forked", "title": "Forked"}).encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(asked) != 1:
            await sent(reader, writer)
            return
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        head = "HTTP/1.1 410 Gone\r\nContent-Type: application/problem+json\r\n"
        writer.write(f"{head}Content-Length: {len(gone)}\r\n\r\n".encode() + gone)
        await writer.drain()

    async with peer(talk) as registry:
        run = Command(f"http://127.0.0.1:{registry.port}").here
        assert (await asyncio.to_thread(run, "snapshot", "-o", str(list_))).returncode == 3
        done = await asyncio.to_thread(run, "snapshot", "-o", str(list_))
    assert done.returncode == 0, done.stderr
    assert [urlsplit(one).query for one in asked] == ["", "cursor=abc&after=20", ""]
    assert list_.read_bytes() == b"".join(rows)


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
