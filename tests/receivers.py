"""Prospecting databases of fiction: real servers that are told, and workers that tell them."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import pairwise
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Send

from app.settings import Settings
from app.worker import work
from tests.peers import OK, peer, read_request

PATIENCE = 40
"""Seconds after which a test no longer waits for what should have come at once."""


def hasty(settings: Settings) -> Settings:
    """Allow loopback, and make deadline and lease short."""
    return settings.model_copy(
        update={
            "internal_networks": (ip_network("127.0.0.1/32"),),
            "delivery_deadline_seconds": 1.0,
            "delivery_lease_seconds": 2.5,
        }
    )


def saying(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Write an HTTP answer, its body as JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = {"Content-Length": len(content), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} As told\r\n{head}\r\n".encode() + content


@dataclass(frozen=True)
class Told:
    """One request to a receiver, and when it came (monotonic)."""

    headers: dict[str, str]
    body: bytes
    at: float

    @classmethod
    def of(cls, request: bytes) -> "Told":
        """Read what came over the socket."""
        head, _, body = request.partition(b"\r\n\r\n")
        fields = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        return cls({name.lower(): value for name, value in fields}, body, time.monotonic())

    @property
    def document(self) -> dict[str, Any]:
        """The body, read."""
        return dict(json.loads(self.body))

    @property
    def data(self) -> dict[str, Any]:
        """What the batch says."""
        return dict(self.document["data"])

    @property
    def lane(self) -> str:
        """The lane that brought it; what is no batch came on none."""
        return str(self.data.get("lane", "none"))

    @property
    def span(self) -> tuple[int, int]:
        """From where to where the batch of a main lane goes."""
        return self.data["previous"], self.data["to"]

    @property
    def positions(self) -> list[int]:
        """The positions of its entries."""
        return [entry["position"] for entry in self.data["entries"]]


Says = bytes | Callable[[Told], Awaitable[bytes]]
"""What a receiver answers; no bytes at all: it breaks the connection off."""


@dataclass
class Receiver:
    """A server that keeps what it is told and answers as a test says, then ``otherwise``.

    ``under_way`` and ``most_under_way`` count requests on one lane.
    """

    answers: list[Says]
    otherwise: Says
    url: str = ""
    told: list[Told] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    most_under_way: int = 0

    @property
    def main(self) -> list[Told]:
        """What came on the main lane."""
        return [one for one in self.told if one.lane == "main"]

    @property
    def early(self) -> list[Told]:
        """What came on the express lane."""
        return [one for one in self.told if one.lane == "express"]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while request := await read_request(reader):
            told = Told.of(request)
            self.told.append(told)
            lane = told.lane
            self.under_way[lane] += 1
            self.most_under_way = max(self.most_under_way, self.under_way[lane])
            try:
                says = self.answers.pop(0) if self.answers else self.otherwise
                answer = says if isinstance(says, bytes) else await says(told)
            finally:
                self.under_way[lane] -= 1
            if not answer:
                writer.transport.abort()
                return
            writer.write(answer)
            await writer.drain()

    async def heard(self, requests: int) -> list[Told]:
        """Wait until so many requests have come: all of them."""
        await until(lambda: len(self.told) >= requests)
        return self.told

    async def heard_to(self, position: int) -> list[Told]:
        """Wait until a batch of the main lane reached a position: all that came."""
        await until(lambda: bool(self.main) and self.main[-1].span[1] >= position)
        return self.told

    async def heard_early(self, requests: int) -> list[Told]:
        """Wait until so many requests have come on the express lane: those."""
        await until(lambda: len(self.early) >= requests)
        return self.early


@asynccontextmanager
async def receiver(*answers: Says, otherwise: Says = OK) -> AsyncIterator[Receiver]:
    """Listen on loopback."""
    hearing = Receiver(list(answers), otherwise)
    async with peer(hearing.talk) as socket:
        hearing.url = f"http://127.0.0.1:{socket.port}/hook"
        yield hearing


async def until(
    happened: Callable[[], bool | Awaitable[bool]], *, seconds: float = PATIENCE
) -> None:
    """Wait until something is so; who asks the registry asks less and less often."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while True:
        answer = happened()
        if not isinstance(answer, bool):
            # Each question costs what the answer waits for.
            pause = min(1.25 * pause, 0.1)
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(pause)


class Table:
    """The list of a receiver that applies what it is told by the rules of the contract."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.rows: dict[tuple[str, str, str | None], dict[str, Any]] = {}

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Keep the highest version of a contact point and brand."""
        identifier = entry["identifier"]
        key = (identifier["kind"], identifier["value"], entry["brand"])
        known = self.rows.get(key)
        if known is None or entry["version"] >= known["version"]:
            self.rows[key] = {"version": entry["version"], "media": entry["media"]}

    @property
    def suppressed(self) -> dict[tuple[str, str, str | None], dict[str, Any]]:
        """What may not be used."""
        return {key: row for key, row in self.rows.items() if row["media"]}

    @classmethod
    def of(cls, told: list[Told]) -> "Table":
        """Apply all that a webhook brought, whose batches must follow on each other."""
        table = cls()
        for one in told:
            for entry in one.data["entries"]:
                table.apply(entry)
        return table


@asynccontextmanager
async def working(settings: Settings, *, workers: int = 1) -> AsyncIterator[None]:
    """Run workers in this process, and end them as a signal does."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(work(settings, stopping)) for _ in range(workers)]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


async def register(
    admin: httpx.AsyncClient,
    url: str | None = None,
    slug: str = "crm",
    **given: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    """Register a database that is told at ``url``, or pulls: what was answered.

    ``given`` are fields of the request; those of ``delivery`` are merged into it.
    """
    party = {"slug": "p", "name": "P", "kind": "department", "country": "FR"}
    answer = await admin.post("/v1/parties", json={**party, "contact_email": "p@example.com"})
    assert answer.status_code in (201, 409)
    webhook = {"mode": "webhook", "url": url, "zone": "internal"}
    delivery = (webhook if url else {"mode": "pull"}) | given.pop("delivery", {})
    body = {"slug": slug, "name": "The CRM", "party": "p", "delivery": delivery, **given}
    answer = await admin.post("/v1/databases", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def list_to(app: ASGIApp, puller: httpx.AsyncClient, send: Send) -> None:
    """Ask for the list past the sockets: ``send`` gets its pieces as a server would."""

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/snapshot",
        "query_string": b"",
        "headers": [(b"authorization", puller.headers["Authorization"].encode())],
    }
    await app(scope, receive, send)


async def standing(admin: httpx.AsyncClient, slug: str = "crm") -> dict[str, Any]:
    """Read how a database stands."""
    answer = await admin.get(f"/v1/databases/{slug}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def acknowledged(admin: httpx.AsyncClient, position: int, slug: str = "crm") -> None:
    """Wait until a database stands at a position."""

    async def there() -> bool:
        return bool((await standing(admin, slug))["acknowledged_position"] >= position)

    await until(there)


async def attempts(admin: httpx.AsyncClient, slug: str = "crm") -> list[dict[str, Any]]:
    """Read what was tried with a database, the earliest first."""
    answer = await admin.get(f"/v1/databases/{slug}/attempts", params={"limit": 500})
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["items"]))


def spans(told: list[Told]) -> list[tuple[int, int]]:
    """Tell from where to where each batch of the main lane went."""
    return [one.span for one in told if one.lane == "main"]


def without_gap(told: list[Told]) -> bool:
    """Tell whether each batch of the main lane begins where one before it ended, or again."""
    return all(later[0] in earlier for earlier, later in pairwise(spans(told)))


async def never(happens: Callable[[], bool], *, seconds: float) -> None:
    """See that something does not become so for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not happens()
        await asyncio.sleep(0.02)
