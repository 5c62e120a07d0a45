"""The example receiver as its own process: told by a real worker, lied to, killed, set back."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.following import BRAND, House, Line, Member, eventually
from tests.servers import START_SECONDS, Served, free_port, serving

pytestmark = pytest.mark.own_postgres

RECEIVERS = Path(__file__).parents[1] / "deploy" / "receivers"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the specification's examples
JOURNAL = "0199f2aa-0000-7000-8000-000000000001"
_numbers = count()


@dataclass(frozen=True, slots=True)
class Receiver:
    """The example with a table of its own, at a port of its own."""

    table: Path
    secret: str
    port: int

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SIGNING_SECRET": self.secret, "RECEIVER_TABLE": str(self.table)}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it for a block; it is killed at the end."""
        words = ("-m", "uvicorn", "fastapi_receiver:app", "--port", str(self.port))
        with subprocess.Popen(  # noqa: S603 - the example under test
            [sys.executable, *words, "--log-level", "warning"],
            cwd=RECEIVERS,
            env=self._environment,
        ) as process:
            try:
                eventually(self._answers)
                yield
            finally:
                process.send_signal(signal.SIGKILL)

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(self.url, trust_env=False).status_code == 405
        return False

    @property
    def url(self) -> str:
        """Where it is told."""
        return f"http://127.0.0.1:{self.port}/hook"

    def told(self, body: str, *, at: datetime | None = None, **headers: str) -> httpx.Response:
        """Send it a message as the registry does, but for what is asked to differ."""
        at = at or datetime.now(UTC)
        signed = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("msg_1", at, body),
        }
        different = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url, content=body, headers=signed | different, trust_env=False)

    def told_of(
        self, *entries: dict[str, Any], previous: int = 0, to: int = 1, **more: object
    ) -> httpx.Response:
        """Send it a batch."""
        data = {"journal": JOURNAL, "lane": "main", "previous": previous, "to": to, "head": to}
        batch = {"type": "suppressions.changed", "data": data | {"entries": entries} | more}
        return self.told(json.dumps(batch))

    def run(self, script: str) -> None:
        """Run statements in its table."""
        with closing(sqlite3.connect(self.table, timeout=30)) as connection:
            connection.executescript(script)

    def lines(self) -> set[Line]:
        """Read what is suppressed in its table."""
        with closing(sqlite3.connect(self.table, timeout=30)) as connection:
            return {*connection.execute("SELECT * FROM suppressions WHERE media <> ''")}

    def blocks(self, value: str, medium: str) -> bool:
        """Ask it as a dialler does."""
        asked = "import sys, fastapi_receiver as r; print(r.is_blocked('phone', *sys.argv[1:]))"
        done = subprocess.run(  # noqa: S603 - the example under test
            [sys.executable, "-c", asked, value, medium, BRAND],
            cwd=RECEIVERS,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=True,
        )
        return {"True\n": True, "False\n": False}[done.stdout]


def entry(version: int, media: str, value: str | None = "+33639980001") -> dict[str, Any]:
    """Write an entry as the registry does, but for what no receiver needs."""
    return {
        "position": version,
        "identifier": {"kind": "phone", "format": "plain", "value": value},
        "brand": None,
        "media": media.split("|") if media else [],
        "version": version,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("receiver") / "data"
    with serving(folder, OPTOUT_INTERNAL_NETWORKS="127.0.0.0/8") as served:
        yield served


@pytest.fixture(scope="module")
def house(served: Served) -> Iterator[House]:
    with closing(House(served)) as house:
        yield house.furnish()


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    return Receiver(tmp_path / "table", SECRET, free_port())


@pytest.fixture
def running(receiver: Receiver) -> Iterator[Receiver]:
    with receiver.running():
        yield receiver


def register(house: House, receiver: Receiver, **way: str) -> tuple[Member, Receiver]:
    """Register a receiver, which then knows the secret that it was given."""
    slug = f"receiver-{next(_numbers)}"
    delivery = {"mode": "webhook", "zone": "internal", "url": receiver.url, **way}
    made = house.make("databases", slug=slug, name=slug, party="dakar", delivery=delivery)
    key = house.make("keys", name=slug, scopes=["journal:read"], database=slug)["key"]
    return Member(house.served, slug, key, None), replace(receiver, secret=made["signing_secret"])


def phone() -> str:
    """Name a person of fiction, another one each time."""
    return f"+3363998{next(_numbers):04}"


@pytest.mark.parametrize("identifier_format", ["plain", "hmac-sha256"])
def test_it_is_told_by_the_worker_and_equals_the_registrys_list(
    house: House, receiver: Receiver, identifier_format: str
) -> None:
    member, receiver = register(house, receiver, identifier_format=identifier_format)
    people = [phone() for _ in range(4)]
    house.opt_out(*people[:2])
    house.opt_out(people[2], brand=BRAND, media=["voice"])
    with receiver.running():
        assert house.make(f"databases/{member.slug}/ping")["delivered"]
        eventually(lambda: receiver.lines() == member.snapshot())
        house.reinstate(people[0])
        house.opt_out(people[2], brand=BRAND, media=["sms"])
        house.make("erasures", identifiers=[{"kind": "phone", "value": people[1]}])
        house.opt_out(people[3])
        eventually(lambda: not house.ask(f"databases/{member.slug}")["lag_entries"])
    told = member.snapshot()
    assert {line for line in receiver.lines() if line in told} == told
    if identifier_format == "plain":
        assert [receiver.blocks(value, "voice") for value in people] == [False, True, True, True]


def test_killed_again_and_again_it_has_everything_in_the_end(
    house: House, receiver: Receiver
) -> None:
    member, receiver = register(house, receiver)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            house.opt_out(phone(), phone())
            time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            with receiver.running():
                house.make(f"databases/{member.slug}/resume")  # else it waits after a failure
                time.sleep(1)
    finally:
        ended.set()
        writer.join()
    assert receiver.lines(), "it was never told while it ran"
    with receiver.running():
        house.make(f"databases/{member.slug}/resume")
        eventually(lambda: receiver.lines() >= member.snapshot())
    assert house.ask(f"databases/{member.slug}")["state"] == "active"


def test_set_back_it_is_paused_and_mended_as_its_readme_says(
    house: House, receiver: Receiver
) -> None:
    member, receiver = register(house, receiver)
    house.opt_out(person := phone())
    with receiver.running():
        eventually(lambda: receiver.lines() >= member.snapshot())
        # As if the registry had been restored to an older state since.
        receiver.run("UPDATE progress SET through = 1000000")
        receiver.run("UPDATE suppressions SET version = version + 7, media = 'email'")
        house.opt_out(phone())
        eventually(lambda: house.ask(f"databases/{member.slug}")["state"] == "paused")
        assert not receiver.lines() >= member.snapshot()

        readme = (RECEIVERS / "README.md").read_text(encoding="utf-8")
        (script,) = re.findall(r'sqlite3 "\$RECEIVER_TABLE" "([^"]+)"', readme)
        receiver.run(script)
        assert receiver.blocks(person, "sms"), "before anything is in, nobody may be contacted"
        house.make(f"databases/{member.slug}/resume")
        eventually(lambda: receiver.lines() >= member.snapshot())


def test_the_highest_version_counts_and_empty_media_are_kept(running: Receiver) -> None:
    assert running.told_of(entry(1, "voice"), entry(3, "sms"), to=3).status_code == 204
    assert running.told_of(entry(1, "voice"), entry(2, ""), to=3).status_code == 204
    assert running.lines() == {("phone", "+33639980001", "", "sms", 3, 3)}
    assert running.told_of(entry(4, ""), previous=3, to=4).status_code == 204
    assert running.told_of(entry(1, "voice"), to=4).status_code == 204
    assert running.lines() == set()


def test_a_missing_batch_is_asked_for_and_one_that_came_is_taken_again(running: Receiver) -> None:
    assert running.told_of(entry(1, "voice"), to=5).status_code == 204
    missed = running.told_of(entry(9, "sms"), previous=7, to=9)
    assert (missed.status_code, missed.json()) == (409, {"expected_position": 6})
    assert running.lines() == {("phone", "+33639980001", "", "voice", 1, 1)}
    assert running.told_of(entry(1, "voice"), to=3, head=9).status_code == 204
    assert running.told_of(previous=5, to=9).status_code == 204


def test_an_early_entry_moves_no_mark(running: Receiver) -> None:
    assert running.told_of(entry(9, "sms"), to=9, lane="express").status_code == 204
    assert running.lines() == {("phone", "+33639980001", "", "sms", 9, 9)}
    assert running.told_of(previous=3, to=9).json() == {"expected_position": 1}


@pytest.mark.parametrize(
    "restored",
    [
        {"journal": "0199f2aa-0000-7000-8000-000000000002", "head": 99},
        {"head": 4},
        {"entries": [entry(2, "") | {"position": 7}], "head": 99},
    ],
    ids=["another journal", "a shorter one", "a version told otherwise"],
)
def test_a_journal_that_was_set_back_is_gone(running: Receiver, restored: dict[str, Any]) -> None:
    running.told_of(entry(2, "voice"), to=5)
    assert running.told_of(previous=3, to=4, **restored).status_code == 410
    assert running.lines() == {("phone", "+33639980001", "", "voice", 2, 2)}


def test_an_erased_value_is_passed_over(running: Receiver) -> None:
    assert running.told_of(entry(1, "voice", value=None)).status_code == 204
    assert running.lines() == set()


def test_a_forgery_an_old_message_and_a_long_one_change_nothing(running: Receiver) -> None:
    running.told_of(entry(1, "voice"))
    data = {"journal": JOURNAL, "lane": "main", "previous": 1, "to": 2, "head": 2}
    body = json.dumps({"type": "suppressions.changed", "data": data | {"entries": [entry(2, "")]}})
    now = datetime.now(UTC)
    refused = [
        running.told(body, webhook_signature="v1,AAAA"),
        running.told(body, webhook_signature="nonsense"),
        running.told(body, webhook_id="msg_2"),
        running.told(body, at=now - timedelta(seconds=310)),
        running.told(body, at=now + timedelta(seconds=310)),
        httpx.post(running.url, content=body, trust_env=False),
    ]
    assert {each.status_code for each in refused} == {401}
    assert running.told(" " * 1_100_000).status_code == 413
    assert running.lines() == {("phone", "+33639980001", "", "voice", 1, 1)}
    assert running.told(body).status_code == 204, "or all of this was refused for another reason"
    assert running.lines() == set()


def test_a_batch_that_cannot_be_kept_is_kept_in_no_part(running: Receiver) -> None:
    broken = entry(2, "voice", "+33639980002") | {"version": None}
    assert running.told_of(entry(1, "voice"), broken, to=2).status_code == 500
    assert running.lines() == set()
    assert running.told_of(previous=2, to=3).json() == {"expected_position": 1}
