"""The demo, played once, ended early; and its receiver, which others will copy."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.cli.demo.receiver import receive
from app.cli.demo.story import differ
from app.cli.demo.table import Row, Table
from tests.servers import OPTOUT

pytestmark = pytest.mark.own_postgres

PLAY_SECONDS = 120
WEBHOOK = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
EVERYTHING = "voice|sms"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make an empty folder for temporary files, whose path is short enough for sockets."""
    with TemporaryDirectory(prefix="optout-") as folder:
        yield Path(folder)


def test_the_story_ends_well_and_leaves_nothing_behind(folder: Path) -> None:
    played = subprocess.run(  # noqa: S603 - the command under test
        [*OPTOUT, "demo"],
        # Settings of a registry in use must not reach the demo.
        env=_environment(folder) | {"OPTOUT_DATABASE_URL": "postgresql://in.use.example/"},
        capture_output=True,
        text=True,
        timeout=PLAY_SECONDS,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    lines = played.stdout.splitlines()
    assert lines[-1].endswith(
        "All five tables equal the registry's list. Nothing of this is left behind."
    )
    assert sum(line.endswith("rows, equal") for line in lines) == 5
    assert "\x1b" not in played.stdout
    assert [*folder.iterdir()] == []
    assert _processes_of(folder) == []


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_the_demo_started_ends_with_it(folder: Path, by: signal.Signals) -> None:
    demo = subprocess.Popen(  # noqa: S603 - the command under test
        [*OPTOUT, "demo"],
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Dakar records it" in line:
                demo.send_signal(by)
                break
        rest = demo.stdout.read()
    assert demo.returncode != 0
    assert "Traceback" not in rest
    deadline = time.monotonic() + 30
    while _processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(folder) == []
    assert by == signal.SIGKILL or [*folder.iterdir()] == []


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


def _processes_of(folder: Path) -> list[str]:
    """Find what runs with a folder for its temporary files, PostgreSQL too."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"TMPDIR={folder}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_a_table_that_differs_from_the_list_is_seen() -> None:
    mine: set[Row] = {("phone", "1", "", EVERYTHING, 2), ("phone", "2", "", EVERYTHING, 1)}
    assert differ(mine, mine, recorded=2) == ""
    old = {("phone", "1", "", EVERYTHING, 1), ("phone", "2", "", EVERYTHING, 1)}
    assert differ(old, mine, recorded=2) == "1 missing or old, 1 more than listed"
    assert differ(set(), mine, recorded=2) == "2 missing or old, 0 more than listed"
    assert differ(set(), set(), recorded=2) == "but 0 in table and list"


def _entry(version: int, media: str, value: str | None = "+33639980001") -> dict[str, Any]:
    return {
        "identifier": {"kind": "phone", "format": "plain", "value": value},
        "brand": None,
        "media": media.split("|") if media else [],
        "version": version,
    }


def _batch(
    previous: int, to: int, *entries: dict[str, Any], lane: str = "main"
) -> tuple[bytes, dict[str, str]]:
    data = {"lane": lane, "previous": previous, "to": to, "entries": entries}
    return _signed({"type": "suppressions.changed", "data": data})


def _signed(message: dict[str, Any], by: Webhook = WEBHOOK) -> tuple[bytes, dict[str, str]]:
    body, at = json.dumps(message), datetime.now(UTC)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": by.sign("msg_1", at, body),
    }
    return body.encode(), headers


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Make a receiver's table."""
    return Table(tmp_path / "table.sqlite")


def test_a_receiver_keeps_the_highest_version_in_whatever_order_and_however_often(
    tmp_path: Path,
) -> None:
    entries = [_entry(1, EVERYTHING), _entry(2, "voice"), _entry(3, "sms")]
    for number, order in enumerate(permutations([*entries, entries[0]])):
        table = Table(tmp_path / str(number))
        for entry in order:
            receive(table, WEBHOOK, *_batch(0, 1, entry))
        assert table.suppressed() == {("phone", "+33639980001", "", "sms", 3)}


def test_what_is_lifted_stays_lifted_when_an_older_entry_comes_again(table: Table) -> None:
    receive(table, WEBHOOK, *_batch(0, 2, _entry(1, "voice"), _entry(2, "")))
    receive(table, WEBHOOK, *_batch(0, 2, _entry(1, "voice")))
    assert table.suppressed() == set()


def test_a_receiver_that_misses_a_batch_says_which_it_wants(table: Table) -> None:
    assert receive(table, WEBHOOK, *_batch(0, 5, _entry(1, "voice"))) == (
        HTTPStatus.NO_CONTENT,
        None,
    )
    missed = receive(table, WEBHOOK, *_batch(7, 9, _entry(2, "sms")))
    assert missed == (HTTPStatus.CONFLICT, {"expected_position": 6})
    assert table.suppressed() == {("phone", "+33639980001", "", "voice", 1)}


def test_an_entry_brought_early_by_the_express_lane_moves_no_mark(table: Table) -> None:
    early = receive(table, WEBHOOK, *_batch(0, 9, _entry(2, "sms"), lane="express"))
    assert early == (HTTPStatus.NO_CONTENT, None)
    assert table.suppressed() == {("phone", "+33639980001", "", "sms", 2)}
    missed = receive(table, WEBHOOK, *_batch(3, 9))
    assert missed == (HTTPStatus.CONFLICT, {"expected_position": 1})


def test_an_erased_entry_without_a_value_is_passed_over(table: Table) -> None:
    told = receive(table, WEBHOOK, *_batch(0, 1, _entry(1, "voice", value=None)))
    assert told == (HTTPStatus.NO_CONTENT, None)
    assert table.suppressed() == set()


def test_a_ping_is_answered_and_changes_nothing(table: Table) -> None:
    assert receive(table, WEBHOOK, *_signed({"type": "ping"})) == (HTTPStatus.NO_CONTENT, None)


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Signature": "v1,AAAA"},
        {"Webhook-Signature": "nonsense"},
        {"Webhook-Signature": "v1,=a"},
        {"Webhook-Signature": ""},
        {"Webhook-Timestamp": "1614265330"},
        {"Webhook-Id": "msg_2"},
    ],
)
def test_a_forged_message_is_refused_and_changes_nothing(
    table: Table, change: dict[str, str]
) -> None:
    body, headers = _batch(0, 1, _entry(1, "voice"))
    assert receive(table, WEBHOOK, body, headers | change) == (HTTPStatus.UNAUTHORIZED, None)
    assert receive(table, WEBHOOK, body + b"\xff", headers) == (HTTPStatus.UNAUTHORIZED, None)
    assert table.suppressed() == set()


def test_a_batch_that_cannot_be_kept_is_kept_in_no_part(table: Table) -> None:
    broken = _entry(1, "voice") | {"version": None}
    with pytest.raises(Exception, match="NOT NULL"):
        receive(table, WEBHOOK, *_batch(0, 2, _entry(1, "voice"), broken))
    assert table.suppressed() == set()
    missed = receive(table, WEBHOOK, *_batch(2, 3))
    assert missed == (HTTPStatus.CONFLICT, {"expected_position": 1})
