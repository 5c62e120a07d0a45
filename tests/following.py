"""A served registry with a house in it, the command ``optout follow``, and the lists it keeps."""

import asyncio
import csv
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.servers import OPTOUT, START_SECONDS, Served, environment

Line = tuple[str, str, str, str, int, int]
"""Kind, value, brand, media, version, position."""

CHANNEL = "calls"
BRAND = "sauerkraut"


class House:
    """Talks to a served registry as its administrator."""

    def __init__(self, served: Served) -> None:
        """Open a client, which ``close`` closes."""
        self.served = served
        self._client = httpx.Client(
            base_url=served.url,
            headers={"Authorization": f"Bearer {served.admin_key}"},
            timeout=30,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def furnish(self) -> "House":
        """Register what opt-outs and databases name."""
        self.make("brands", slug=BRAND, name="Sauerkraut")
        self.make("brands", slug="pickles", name="Pickles")
        self.make(
            "parties",
            slug="dakar",
            name="Call centre, Dakar",
            kind="subcontractor",
            country="SN",
            contact_email="dakar@example.com",
        )
        self.make("channels", slug=CHANNEL, name="Calls", kind="call_centre", party="dakar")
        return self

    def make(self, what: str, **document: object) -> dict[str, Any]:
        """Create something."""
        return self._read(self._client.post(f"/v1/{what}", json=document))

    def ask(self, path: str) -> dict[str, Any]:
        """Read something."""
        return self._read(self._client.get(f"/v1/{path}"))

    def change(self, path: str, **document: object) -> dict[str, Any]:
        """Change something."""
        return self._read(self._client.patch(f"/v1/{path}", json=document))

    def delete(self, path: str) -> None:
        """Delete something."""
        assert self._client.delete(f"/v1/{path}").is_success

    def opt_out(self, *values: str, kind: str = "phone", **more: object) -> dict[str, Any]:
        """Record an opt-out."""
        people = [{"kind": kind, "value": value} for value in values]
        return self.make("opt-outs", identifiers=people, channel=CHANNEL, **more)

    def reinstate(self, value: str) -> None:
        """Record that a person agreed later."""
        self.make(
            "reinstatements",
            identifier={"kind": "phone", "value": value},
            channel=CHANNEL,
            occurred_at=_soon(),
            evidence={"kind": "letter", "reference": "1"},
        )

    def database(self, slug: str, **more: object) -> "Member":
        """Register a database that pulls, with a key for it."""
        way = {"mode": "pull", "identifier_format": more.pop("identifier_format", "plain")}
        made = self.make("databases", slug=slug, name=slug, party="dakar", delivery=way, **more)
        key = self.make("keys", name=slug, scopes=["journal:read"], database=slug)["key"]
        return Member(self.served, slug, key, made["identifier_key"])

    @staticmethod
    def _read(answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document


def _soon() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))


@dataclass(frozen=True, slots=True)
class Member:
    """A database of the registry, and its key."""

    served: Served
    slug: str
    key: str
    identifier_key: str | None

    def words(self, to: str, *options: str, url: str | None = None) -> list[str]:
        """Write the command that follows into a list."""
        return [*OPTOUT, "follow", "--to", to, "--url", url or self.served.url, *options]

    @property
    def environment(self) -> dict[str, str]:
        """Write the environment of the command."""
        return environment(Path("absent"), {"OPTOUT_KEY": self.key})

    def follow(
        self, to: str, *options: str, url: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(  # noqa: S603 - the command under test
            self.words(to, *options, url=url),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def once(self, to: str) -> dict[str, int]:
        """Catch up: what was done."""
        return self._report(to, "--once")

    def verify(self, to: str) -> dict[str, int]:
        """Compare and mend: what differed."""
        return self._report(to, "--verify")

    def _report(self, to: str, option: str) -> dict[str, int]:
        done = self.follow(to, option, "--json")
        assert done.returncode == 0, done.stderr
        report: dict[str, int] = json.loads(done.stdout)
        return report

    @contextmanager
    def following(self, to: str, *, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Run the command as a service for a block; it is killed at the end."""
        with (
            open(log or os.devnull, "ab") as out,  # noqa: PTH123 - os.devnull is no Path
            subprocess.Popen(  # noqa: S603 - the command under test
                self.words(to), env=self.environment, stdout=out, stderr=out
            ) as process,
        ):
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)

    def snapshot(self) -> set[Line]:
        """Read what the registry lists."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.get(f"{self.served.url}/v1/snapshot", headers=headers, trust_env=False)
        lines = [json.loads(line) for line in answer.raise_for_status().text.splitlines()]
        return {
            (
                line["identifier"]["kind"],
                line["identifier"]["value"],
                line["brand"] or "",
                "|".join(line["media"]),
                line["version"],
                line["position"],
            )
            for line in lines
        }


@dataclass(frozen=True, slots=True)
class List:
    """A list that is kept, whatever it stands in."""

    to: str

    @property
    def path(self) -> Path:
        """The file that it stands in."""
        return Path(self.to.removeprefix("sqlite:///").removeprefix("csv:"))

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement in the tables."""
        if self.to.startswith("postgresql:"):
            return asyncio.run(self._run_there(sql))
        path = self.path
        if self.to.startswith("csv:"):
            path = path.with_name(f"{path.name}.sqlite")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            return connection.execute(sql).fetchall()

    async def _run_there(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.to)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    def lines(self) -> set[Line]:
        """Read what is suppressed, from the file itself where it is one for diallers."""
        if self.to.startswith("csv:"):
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = [*csv.DictReader(file)]
            return {
                (
                    row["kind"],
                    row["value"],
                    row["brand"],
                    row["media"],
                    int(row["version"]),
                    int(row["position"]),
                )
                for row in rows
            }
        columns = "kind, value, brand, media, version, position"
        return {*self.run(f"SELECT {columns} FROM suppressions WHERE media <> ''")}  # noqa: S608 - of this line


@contextmanager
def cutting(url: str, path: str, *, passing: int) -> Iterator[str]:
    """Stand before a registry, and answer so many requests for a path and no more of them.

    The URL to stand before it at.
    """
    left = iter(range(passing))

    class Cutter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(b"")

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, body: bytes) -> None:
            if self.path == path and next(left, None) is None:
                return
            answer = httpx.request(
                self.command,
                f"{url}{self.path}",
                content=body,
                headers={
                    name: self.headers.get(name, "") for name in ("Authorization", "Content-Type")
                },
                timeout=60,
            )
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Journal-Cursor", "Optout-Erased"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Cutter) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds, or fail."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)
