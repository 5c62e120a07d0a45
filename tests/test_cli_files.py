"""Files by the command line: recorded, scrubbed, waited for, and taken up again."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands import Command, ask
from tests.peers import Talk, peer, read_request
from tests.servers import OPTOUT, START_SECONDS, Served, environment, serving

pytestmark = pytest.mark.own_postgres

JOB = "0199c0de-0000-7000-8000-000000000000"
UUID = "[0-9a-f-]{36}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a registry with a channel."""
    with serving(tmp_path_factory.mktemp("files") / "data") as served:
        key = {"Authorization": f"Bearer {served.admin_key}"}
        with httpx.Client(base_url=served.url, headers=key, timeout=30) as client:
            party = {"slug": "dakar", "name": "Dakar", "kind": "subcontractor", "country": "SN"}
            party |= {"contact_email": "dakar@example.com"}
            channel = {"slug": "agents", "name": "Agents", "kind": "call_centre", "party": "dakar"}
            client.post("/v1/parties", json=party).raise_for_status()
            client.post("/v1/channels", json=channel).raise_for_status()
        yield served


@pytest.fixture
def command(served: Served) -> Command:
    """Run commands with the admin's key."""
    return Command(served.url, served.admin_key)


def test_a_file_is_imported_and_a_campaign_scrubbed_against_it(
    command: Command, tmp_path: Path
) -> None:
    list_, refused = tmp_path / "list.csv", tmp_path / "refused.csv"
    list_.write_bytes(
        "Téléphone;Date\r\n06 39 98 20 01;31/01/2026\r\n3,3E+10;\r\n".encode("cp1252")
    )
    said = ("--channel", "agents", "--map", "Téléphone=phone", "--map", "Date=occurred_at")
    done = command("import", str(list_), *said, "--refused", str(refused))
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        rf"Import {UUID} done: 2 rows: 1 recorded, 0 unchanged, 1 refused, journal position 1\n",
        done.stdout,
    )
    assert refused.read_text().splitlines()[1].endswith(",scientific_notation")
    assert refused.stat().st_mode & 0o777 == 0o600

    again = command("import", "-", *said, "--json", given=list_.read_bytes())
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["counts"] == {"recorded": 0, "unchanged": 1, "refused": 1}
    taken_up = command.here("import", "--job", told["id"])
    assert taken_up.stdout == (
        f"Import {told['id']} done: 2 rows: 0 recorded, 1 unchanged, 1 refused\n"
    )
    assert taken_up.stderr == (
        "Read (csv, cp1252): Date as occurred_at, Téléphone as phone\n"
        f"Which, and why:\n  optout import --job {told['id']} --refused FILE\n"
    )

    campaign = "Tel;Nom\r\n0639982001;Zoé\r\n0639982002;=x\r\n".encode("utf-16")
    scrubbed = subprocess.run(  # noqa: S603 - the command under test
        [*OPTOUT, "scrub", "-", "-o", "-", "--medium", "voice"],
        env=environment(
            tmp_path / "absent", {"OPTOUT_URL": command.url, "OPTOUT_KEY": command.key}
        ),
        input=campaign,
        capture_output=True,
        timeout=START_SECONDS,
        check=True,
    )
    assert scrubbed.stdout.decode("utf-16") == (
        "Tel;Nom;decision;code;since\r\n"
        "0639982001;Zoé;block;opted_out;2026-01-31T22:59:59.999999Z\r\n"
        "0639982002;'=x;allow;;\r\n"
    )
    assert re.fullmatch(
        rf"Scrub {UUID}\n"
        r"2 rows as of journal position 1: 1 allow, 1 block, 0 unusable, 0 duplicate\n",
        scrubbed.stderr.decode(),
    )


def test_a_scrub_is_refreshed_by_what_changed_since(command: Command, tmp_path: Path) -> None:
    campaign, loaded, changed = (tmp_path / name for name in ("campaign", "loaded", "changed"))
    campaign.write_bytes(b"0639983001\n0639983002\n")
    first = command.here("scrub", str(campaign), "-o", str(loaded), "--medium", "sms", "--allowed")
    assert first.returncode == 0, first.stderr
    assert loaded.read_bytes() == b"0639983001,allow,,\n0639983002,allow,,\n"
    assert loaded.stat().st_mode & 0o777 == 0o600

    command.here("opt-out", "--phone", "0639983002", "--channel", "agents")
    scrub = first.stderr.split()[1]
    then = command.here("scrub", "--refresh", scrub, "-o", str(changed), "--json")
    assert then.returncode == 0, then.stderr
    assert json.loads(then.stdout)["refreshes"] == scrub
    assert re.fullmatch(rb"0639983002,block,opted_out,.*Z\n", changed.read_bytes())


def test_a_file_that_cannot_be_read_ends_the_import_with_1(command: Command) -> None:
    done = command.here("import", "-", "--channel", "agents", given=b"%PDF-1.7\n")
    assert done.returncode == 1
    assert "it is a PDF document" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("import",),
        ("import", "list.csv", "--job", JOB),
        ("import", "no such file", "--channel", "agents"),
        ("import", "-", "--map", "phone"),
        ("import", "--job", JOB, "--refused", "-", "--json"),
        ("scrub", "-o", "out"),
        ("scrub", "list.csv", "-o", "out"),
        ("scrub", "--job", JOB, "--refresh", JOB, "-o", "out"),
        ("scrub", "--job", JOB, "-o", "-", "--json"),
        ("scrub", "--job", JOB),
    ],
)
def test_wrong_use_ends_with_2_before_anything_is_sent(words: tuple[str, ...]) -> None:
    assert Command("http://127.0.0.1:9").here(*words).returncode == 2


def _answer(document: object, status: bytes = b"200 OK") -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def _job(state: str) -> bytes:
    counts = {"allow": 1, "block": 0, "unusable": 0, "duplicate": 0}
    job = {"id": JOB, "state": state, "rows": None, "done_rows": 1, "counts": counts}
    return _answer(job | {"position": 7, "error": None, "dry_run": False})


async def _asked(reader: asyncio.StreamReader) -> bytes:
    """Read the line of a request without a body; empty when the client has gone."""
    try:
        return (await reader.readuntil(b"\r\n\r\n")).split(b" HTTP")[0]
    except (asyncio.IncompleteReadError, OSError):
        return b""


def _saying(*answers: bytes) -> tuple[Talk, list[bytes]]:
    """Give the answers in turn, the last for ever, on however many connections."""
    left, seen = list(answers), []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await _asked(reader):
            seen.append(asked)
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()

    return talk, seen


RESULT = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n0639980001,allow,,\n"


async def test_a_registry_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    talk, seen = _saying(_job("running"), BUSY, _job("done"), RESULT)
    done = await ask(talk, "scrub", "--job", JOB, "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == b"0639980001,allow,,\n"
    asked = b"GET /v1/scrubs/" + JOB.encode()
    assert seen == [asked, asked, asked, asked + b"/result"]


async def test_a_file_whose_answer_was_lost_is_sent_again_under_the_same_key(
    tmp_path: Path,
) -> None:
    list_ = tmp_path / "list"
    list_.write_bytes(b"0639980001\n")
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await read_request(reader))
        if len(sent) > 1:
            writer.write(_job("queued"))
            await _asked(reader)
            writer.write(_answer({"title": "Gone"}, b"404 No"))
            await writer.drain()

    await ask(talk, "scrub", str(list_), "--medium", "voice", "-o", str(tmp_path / "out"))
    first, second = [re.findall(rb"(?i)idempotency-key: (\S+)", request) for request in sent]
    assert first == second != []
    assert all(request.endswith(b"\r\n\r\n0639980001\n") for request in sent)


async def test_a_result_that_breaks_off_leaves_the_one_before_it(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_bytes(b"before")

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _asked(reader)
        writer.write(_job("done"))
        await _asked(reader)
        writer.write(RESULT[:-5])
        await writer.drain()

    done = await ask(hang_up, "scrub", "--job", JOB, "-o", str(output))
    assert done.returncode == 3
    assert f"optout scrub --job {JOB} -o {output}" in done.stderr
    assert output.read_bytes() == b"before"
    assert _names(tmp_path) == ["out"]


async def test_a_job_that_failed_ends_with_1_and_leaves_no_result(tmp_path: Path) -> None:
    talk, seen = _saying(_job("failed"))
    done = await ask(talk, "scrub", "--job", JOB, "-o", str(tmp_path / "out"))
    assert (done.returncode, len(seen)) == (1, 1)
    assert _names(tmp_path) == []


async def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on() -> None:
    waited_for = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _asked(reader):
            writer.write(_job("running"))
            await writer.drain()
            waited_for.set()

    async with peer(talk) as registry:
        url = {"OPTOUT_URL": f"http://127.0.0.1:{registry.port}", "OPTOUT_KEY": "optout_unread"}
        process = await asyncio.create_subprocess_exec(
            *OPTOUT,
            *("import", "--job", JOB),
            env=environment(Path("absent"), url),
            stderr=asyncio.subprocess.PIPE,
        )
        await asyncio.wait_for(waited_for.wait(), START_SECONDS)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), START_SECONDS)
    assert process.returncode == 130
    assert errors.decode() == (
        f"The registry goes on with it. To wait for it again:\n  optout import --job {JOB}\n"
    )


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())
