"""``make soak``: a registry under load while everything around it, and in it, is killed at random.

``SECONDS`` is how long it goes on (1,200 by default). At the end every receiver's list is the
registry's, every receipt that somebody held is there, and the journal is whole; the counts of what
was survived are printed. Exit status 1: something was lost.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.faults.crowd import number
from tests.receivers import Receiver, Table, Told, receiver, register, saying
from tests.servers import Served, free_port, optout, serving

SEED = 20_261_122
PEOPLE = 9_000
WRITERS = 6
BULK_ROWS = 1_000
SETTLE_SECONDS = 240
OK, BUSY, BROKEN = saying(200), saying(503), b""


class Database:
    """One receiver of the soak: applies what it is told, and answers as its mood is."""

    def __init__(self, slug: str, mood: str, random: Random) -> None:
        """Begin with an empty list; ``mood`` is steady, flapping, or down for long."""
        self.slug, self.mood, self.random = slug, mood, random
        self.table, self.secrets = Table(), [""]
        self.down_until = 0.0
        self.calm = False
        self.seen: Counter[str] = Counter()

    async def answer(self, told: Told) -> bytes:
        """Apply a batch, or fail before it, or after it: the 2xx that was lost."""
        if self.calm or self.mood == "steady":
            return self._take(told)
        if self.mood == "down":
            if time.monotonic() < self.down_until:
                return BUSY
            if self.random.random() < 0.02:
                self.down_until = time.monotonic() + self.random.uniform(5, 30)
            return self._take(told)
        what = self.random.choice(("take", "take", "take", "refuse", "break", "take and break"))
        self.seen[what] += 1
        if what == "refuse":
            return BUSY
        if what == "break":
            return BROKEN
        answer = self._take(told)
        return BROKEN if what == "take and break" else answer

    def _take(self, told: Told) -> bytes:
        if not any(self._signed(told, secret) for secret in self.secrets):
            self.seen["forged"] += 1
            return saying(401)
        for entry in told.data["entries"]:
            self.table.apply(entry)
        return OK

    @staticmethod
    def _signed(told: Told, secret: str) -> bool:
        try:
            Webhook(secret).verify(told.body, told.headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True


class Soak:
    """The whole of it: the registry, those who write to it, those who kill it."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """Take a folder for the registry's data."""
        self.folder, self.ends = folder, time.monotonic() + seconds
        self.random = Random(SEED)  # noqa: S311 - no secret
        self.survived: Counter[str] = Counter()
        self.receipts: set[str] = set()
        self.people: set[int] = set()
        self.port = free_port()
        self.processes = ExitStack()
        self.databases = [
            Database(f"{mood}-{one}", mood, self.random)
            for mood in ("steady", "flapping", "down")
            for one in (1, 2)
        ]

    async def run(self) -> bool:
        """Soak, settle, compare: whether nothing was lost."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self.processes)
            served = self._serve()
            for one in self.databases:
                hearing = await stack.enter_async_context(receiver(otherwise=one.answer))
                await self._register(served, one, hearing)
            async with httpx.AsyncClient(timeout=20) as client:
                self.client = client
                client.headers["Authorization"] = f"Bearer {served.admin_key}"
                client.base_url = httpx.URL(served.url)
                writers = [self._object() for _ in range(WRITERS)]
                tasks = [
                    asyncio.create_task(one) for one in (*writers, self._bulk(), self._rotate())
                ]
                while time.monotonic() < self.ends:
                    await asyncio.sleep(self.random.uniform(2, 8))
                    served = await self._break(served)
                await asyncio.gather(*tasks)
                return await self._settle(served)

    def _serve(self) -> Served:
        given = {"OPTOUT_INTERNAL_NETWORKS": "127.0.0.0/8"}
        return self.processes.enter_context(serving(self.folder, port=self.port, **given))

    async def _register(self, served: Served, one: Database, hearing: Receiver) -> None:
        async with served.admin() as admin:
            made = await register(admin, hearing.url, one.slug)
            one.secrets = [made["signing_secret"]]
            if one is self.databases[0]:
                channel = {"slug": "soak", "name": "Soak", "kind": "other", "party": "p"}
                (await admin.post("/v1/channels", json=channel)).raise_for_status()

    async def _object(self) -> None:
        """Object, again and again, for random people; every receipt counts."""
        while time.monotonic() < self.ends:
            person = self.random.randrange(PEOPLE)
            media = self.random.choice((None, ["voice"], ["sms"]))
            body: dict[str, Any] = {
                "identifiers": [{"kind": "phone", "value": number(person)}],
                "channel": "soak",
                "media": media,
            }
            with suppress(httpx.TransportError):
                answer = await self.client.post("/v1/opt-outs", json=body)
                if answer.status_code == httpx.codes.CREATED:
                    self.receipts.add(answer.json()["id"])
                    self.people.add(person)
                    self.survived["opt-outs"] += 1
                    continue
            self.survived["opt-outs refused or cut off"] += 1
            await asyncio.sleep(0.2)

    async def _bulk(self) -> None:
        """Import a file now and then."""
        while time.monotonic() < self.ends:
            people = self.random.sample(range(PEOPLE), BULK_ROWS)
            rows = "".join(f"{number(person)}\r\n" for person in people)
            with suppress(httpx.TransportError):
                answer = await self.client.post(
                    "/v1/imports",
                    params={"channel": "soak", "filename": "soak.csv", "media": "email"},
                    content=f"phone\r\n{rows}".encode(),
                    headers={"content-type": "text/csv"},
                )
                self.survived["files taken" if answer.is_success else "files refused"] += 1
            await asyncio.sleep(self.random.uniform(10, 20))

    async def _rotate(self) -> None:
        """Rotate a signing secret now and then; the receiver learns it a moment later."""
        while time.monotonic() < self.ends:
            one = self.random.choice(self.databases)
            with suppress(httpx.TransportError):
                answer = await self.client.post(f"/v1/databases/{one.slug}/rotate-secret")
                if answer.is_success:
                    await asyncio.sleep(self.random.uniform(0, 2))
                    one.secrets = [one.secrets[-1], answer.json()["signing_secret"]]
                    self.survived["rotations"] += 1
            await asyncio.sleep(self.random.uniform(10, 20))

    async def _break(self, served: Served) -> Served:
        """Kill or stop one part of the registry."""
        what = self.random.choice(("server", "worker", "worker", "stopped worker", "postgres"))
        match what:
            case "server":
                served.process.kill()
                served.process.wait()
                served = await asyncio.to_thread(self._serve)
            case "worker" | "stopped worker":
                for pid in self._pids("app.worker"):
                    with suppress(ProcessLookupError):
                        if what == "worker":
                            os.kill(pid, signal.SIGKILL)
                        else:
                            os.kill(pid, signal.SIGSTOP)
                            await asyncio.sleep(self.random.uniform(1, 5))
                            os.kill(pid, signal.SIGCONT)
            case _:
                for pid in self._pids("postgres", "-D"):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        self.survived[f"kills: {what}"] += 1
        return served

    def _pids(self, *words: str) -> list[int]:
        """Find this registry's own processes by what they were started with."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                environment = (entry / "environ").read_bytes()
                ours = str(self.folder).encode() in environment or str(self.folder) in " ".join(
                    line
                )
                if ours and all(any(word in part for part in line) for word in words):
                    found.append(int(entry.name))
        return found

    async def _settle(self, served: Served) -> bool:
        """Let everybody heal, then compare."""
        for one in self.databases:
            one.calm = True
        await self._until_told()
        lost = [
            one.slug for one in self.databases if one.table.suppressed != await self._list(served)
        ]
        kept = await self._kept()
        verified = optout("verify", folder=self.folder)
        for one in self.databases:
            self.survived.update({f"answers: {what}": n for what, n in one.seen.items()})
        for what, count in sorted(self.survived.items()):
            print(f"{what:32} {count:9,}")  # noqa: T201 - what the command is for
        print(f"{'receipts held':32} {len(self.receipts):9,}")  # noqa: T201 - as above
        print(verified.stdout.strip())  # noqa: T201 - as above
        missing = self.receipts - kept
        if lost or missing or verified.returncode:
            print(f"LOST: lists that differ: {lost}; receipts missing: {len(missing)}")  # noqa: T201
            return False
        return True

    async def _until_told(self) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                jobs = await self.client.get("/v1/imports")
                lists = await self.client.get("/v1/databases")
                # PostgreSQL may have been killed a moment ago.
                if (jobs.status_code, lists.status_code) == (200, 200):
                    idle = all(job["state"] in ("done", "failed") for job in jobs.json()["items"])
                    if idle and all(one["lag_entries"] == 0 for one in lists.json()["items"]):
                        return
            await asyncio.sleep(1)

    async def _list(self, served: Served) -> dict[tuple[str, str, str | None], dict[str, Any]]:
        """Take the registry's own list, by a key bound to one of the databases."""
        body = {"name": "soak", "scopes": ["journal:read"], "database": self.databases[0].slug}
        key = (await self.client.post("/v1/keys", json=body)).json()["key"]
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/x-ndjson"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=60) as reader:
            return _table((await reader.get("/v1/snapshot")).text.splitlines())

    async def _kept(self) -> set[str]:
        kept: set[str] = set()
        query: dict[str, str] | None = {"limit": "500"}
        while query is not None:
            page = (await self.client.get("/v1/opt-outs", params=query)).json()
            kept |= {item["id"] for item in page["items"]}
            following = page["next_cursor"]
            query = None if following is None else {"limit": "500", "cursor": following}
        return kept


def _table(lines: list[str]) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    table = {}
    for line in map(json.loads, lines):
        identifier = line["identifier"]
        key = (identifier["kind"], identifier["value"], line["brand"])
        table[key] = {"version": line["version"], "media": line["media"]}
    return table


def main() -> int:
    """Soak for as long as ``SECONDS`` says: the exit status."""
    with tempfile.TemporaryDirectory(prefix="optout-soak-") as folder:
        soak = Soak(Path(folder) / "registry", float(os.environ.get("SECONDS", "1200")))
        return 0 if asyncio.run(soak.run()) else 1


if __name__ == "__main__":
    sys.exit(main())
