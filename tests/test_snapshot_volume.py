"""The snapshot at volume: packed, cut short, left alone, refused; in bounded memory throughout."""

import asyncio
import base64
import csv
import io
import json
import socket
import zlib
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import zstandard
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app.delivery import Snapshots, snapshot_api, snapshots
from app.delivery.lines import Ending
from app.delivery.snapshots import Sending
from app.identifiers import Identifier, identifier_hmac, plain_sha256
from app.journal import EVERY_MEDIUM, Kind, Media, Scope
from app.parties import Directory
from tests.acts import Registry, phone
from tests.benchmarks import seeds
from tests.conftest import Caller
from tests.receivers import Table, list_to, register
from tests.servers import listening
from tests.test_feed import read
from tests.test_parties import acts, problem
from tests.test_snapshot import table_of

if TYPE_CHECKING:
    from asyncpg import Record

MANY = 10_000
HOSTILE = [
    Identifier(Kind.CUSTOMER, 'crm:"7", a\r\nb\tc'),
    Identifier(Kind.CUSTOMER, "crm:=1+1;é🥬\u2028\x7f\\u0041"),
    Identifier(Kind.CUSTOMER, "crm: spaced , 'quoted'\r"),
    Identifier(Kind.CUSTOMER, "crm:one\ntwo"),
    Identifier(Kind.CUSTOMER, "crm:one\rtwo"),
    Identifier(Kind.EMAIL, '"a,b"@example.com'),
    Identifier(Kind.EMAIL, '"a b"@example.com'),
    Identifier(Kind.SIREN, "732829320"),
]


@pytest.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    """Serve the app on a socket."""
    async with listening(app) as url:
        yield url


async def taken(url: str, puller: httpx.AsyncClient, **headers: str) -> tuple[httpx.Headers, bytes]:
    """Take a snapshot over a socket, as the bytes that came."""
    key = {"Authorization": puller.headers["Authorization"], "Accept-Encoding": "identity"}
    async with (
        httpx.AsyncClient(base_url=url, headers=key, timeout=30) as client,
        client.stream("GET", "/v1/snapshot", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        body = b"".join([piece async for piece in answer.aiter_raw()])
    return answer.headers, body


def unpacked(headers: httpx.Headers, body: bytes) -> bytes:
    """Unpack a whole body, and see that its coding was ended."""
    coding = headers.get("content-encoding")
    if coding == "gzip":
        gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        plain = gzip.decompress(body)
        assert (gzip.eof, gzip.unused_data) == (True, b"")
        return plain
    if coding == "zstd":
        zstd = zstandard.ZstdDecompressor().decompressobj()
        plain = zstd.decompress(body)
        assert (zstd.eof, zstd.unused_data) == (True, b"")
        return plain
    assert coding is None
    return body


def asking(url: str, puller: httpx.AsyncClient) -> socket.socket:
    """Ask for a snapshot on a bare socket that takes little at a time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, _, port = url.removeprefix("http://").partition(":")
    client.connect((host, int(port)))
    request = f"GET /v1/snapshot HTTP/1.1\r\nHost: {host}\r\n"
    client.setblocking(False)  # noqa: FBT003 - as the library names nothing
    client.sendall(f"{request}Authorization: {puller.headers['Authorization']}\r\n\r\n".encode())
    return client


async def noted(admin: httpx.AsyncClient, app: FastAPI) -> dict[str, Any]:
    """Wait until a list that was begun is noted as ended, one way or the other."""
    async with asyncio.timeout(30):
        while True:
            await app.state.access.reads.flush(ending=True)
            told = [act for act in await acts(admin) if act["subject"] == "database:crm"]
            if told[0]["action"] in ("snapshot.sent", "snapshot.cut-short"):
                return told[0]
            await asyncio.sleep(0.05)


def rows_of(headers: httpx.Headers, plain: bytes) -> list[tuple[str, ...]]:
    """Read a list in either format as rows of CSV."""
    if headers["content-type"] == "application/x-ndjson":
        assert plain.endswith(b"\n")
        return [
            (
                line["identifier"]["kind"],
                line["identifier"]["value"],
                line["brand"] or "",
                "|".join(line["media"]),
                str(line["version"]),
                str(line["position"]),
                line["since"],
            )
            for line in map(json.loads, plain.decode().split("\n")[:-1])
        ]
    assert plain.endswith(b"\r\n")
    head, *rows = csv.reader(io.StringIO(plain.decode(), newline=""))
    assert head == ["kind", "value", "brand", "media", "version", "position", "since"]
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
async def test_every_coding_carries_the_same_list_to_the_byte(
    admin: httpx.AsyncClient,
    puller: httpx.AsyncClient,
    registry: Registry,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    accept: str,
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 7)
    monkeypatch.setattr(snapshots, "_PIECE", 3)
    await admin.post("/v1/brands", json={"slug": "kraut", "name": "Kraut"})
    people = [*HOSTILE, *(phone(number) for number in range(30))]
    await registry.object(*people)
    await registry.object(*people[:4], brand=1, media=Media.EMAIL)
    shown = {}
    for coding in ("identity", "gzip", "zstd"):
        headers, body = await taken(
            url, puller, **{"Accept": accept, "Accept-Encoding": f"{coding}, identity;q=0.1"}
        )
        assert headers.get("content-encoding", "identity") == coding
        assert headers["transfer-encoding"] == "chunked"
        assert headers["vary"] == "Accept, Accept-Encoding"
        shown[coding] = unpacked(headers, body)
        rows = rows_of(headers, shown[coding])
        told = [(kind, value) for kind, value, brand, *_ in rows if not brand]
        assert sorted(told) == sorted((one.kind.word, one.value) for one in people)
        assert [row[3] for row in rows if row[2] == "kraut"] == ["email"] * 4
    assert shown["identity"] == shown["gzip"] == shown["zstd"]


@pytest.mark.parametrize("written", ["hmac-sha256", "sha256"])
@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
async def test_a_hashed_list_names_nobody(
    admin: httpx.AsyncClient, caller: Caller, registry: Registry, written: str, accept: str
) -> None:
    delivery = {"mode": "pull", "identifier_format": written, "accept_weak": True}
    given = await register(admin, delivery=delivery)
    puller = await caller("journal:read", bound_to="crm")
    await registry.object(*HOSTILE, phone(1))
    answer = await puller.get("/v1/snapshot", headers={"Accept": accept})
    told = [row[1] for row in rows_of(answer.headers, answer.content)]
    people = [one.value for one in (*HOSTILE, phone(1))]
    if written == "sha256":
        assert sorted(told) == sorted(plain_sha256(value) for value in people)
    else:
        key = base64.b64decode(given["identifier_key"])
        assert sorted(told) == sorted(identifier_hmac(key, value) for value in people)


async def test_who_refuses_every_coding_is_406_and_costs_nothing(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient
) -> None:
    answer = await puller.get("/v1/snapshot", headers={"Accept-Encoding": "br, identity;q=0"})
    assert answer.status_code == 406
    assert answer.headers["vary"] == "Accept-Encoding"
    assert problem(answer) == {
        "type": "/problems/not-acceptable",
        "title": "No coding that is accepted can be had",
        "status": 406,
        "detail": "Accept identity, gzip or zstd.",
    }
    assert await acts(admin, action="snapshot.read") == []


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
async def test_a_list_that_breaks_off_is_ended_nowhere_and_told_in_the_audit(
    admin: httpx.AsyncClient,
    app: FastAPI,
    puller: httpx.AsyncClient,
    registry: Registry,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    coding: str,
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 10)
    await registry.object(*(phone(number) for number in range(35)))
    async with registry.database.transaction() as session:
        # A value that does not open stands for whatever goes wrong in the middle.
        await session.execute(
            text("""
                UPDATE contact_points SET sealed = overlay(sealed PLACING '\\xff' FROM 20)
                WHERE id = 35
            """)
        )
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        await taken(url, puller, **{"Accept-Encoding": coding})
    await app.state.access.reads.flush(ending=True)
    cut, begun, *_ = await acts(admin, subject="database:crm")
    assert (cut["action"], cut["detail"]["rows"]) == ("snapshot.cut-short", 30)
    assert begun["action"] == "snapshot.read"


async def test_a_reader_who_goes_is_read_for_no_longer(
    admin: httpx.AsyncClient, app: FastAPI, puller: httpx.AsyncClient, registry: Registry, url: str
) -> None:
    await seeds.fill(registry.database, registry.keys, MANY)
    with asking(url, puller) as client:
        first = await asyncio.get_running_loop().sock_recv(client, 1_000)
        assert first.startswith(b"HTTP/1.1 200 OK")
    told = await noted(admin, app)
    assert told["action"] == "snapshot.cut-short"
    assert told["detail"]["rows"] < MANY


async def test_a_reader_who_stands_still_is_left(
    admin: httpx.AsyncClient,
    app: FastAPI,
    puller: httpx.AsyncClient,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Past the sockets, whose buffers would take all of a list that a test has time to make.
    monkeypatch.setattr(snapshot_api, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(snapshots, "_PIECE", 10)
    monkeypatch.setattr(snapshots, "_PIECES", 1)
    await registry.object(*(phone(number) for number in range(95)))
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        if len(sent) == 4:
            await asyncio.Event().wait()
        sent.append(message)

    with capture_logs() as logs:
        await list_to(app, puller, send)
    told = await noted(admin, app)
    assert told["action"] == "snapshot.cut-short"
    assert told["detail"]["rows"] == 40, "the piece that was not taken is counted: it may have been"
    assert [message.get("more_body") for message in sent] == [None, True, True, True]
    assert "a list was broken off, for its reader stood still" in [log["event"] for log in logs]


class Counting(Snapshots):
    """Counts the pages that are read."""

    pages = 0

    async def _read(
        self, after: tuple[int, int], scope: Scope, ending: Ending
    ) -> "Sequence[Record]":
        self.pages += 1
        return await super()._read(after, scope, ending)


async def test_no_more_than_the_next_page_is_read_ahead(
    puller: httpx.AsyncClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 10)
    monkeypatch.setattr(snapshots, "_PIECE", 5)
    monkeypatch.setattr(snapshots, "_PIECES", 1)
    await registry.object(*(phone(number) for number in range(95)))
    assert puller
    counting = Counting(registry.database, registry.keys, Directory(registry.database))
    sending = Sending()
    begun = await counting.begin(1)
    async with aclosing(counting.stream(begun, "ndjson", "identity", sending)) as pieces:
        seen = []
        async for piece in pieces:
            await asyncio.sleep(0.02)
            seen.append((counting.pages, piece.count(b"\n")))
    assert seen == [(2 + number // 2, 5) for number in range(19)]
    assert (counting.pages, sending.lines) == (11, 95)


async def test_a_scope_that_matches_nobody_passes_through_all_pages(
    admin: httpx.AsyncClient,
    caller: Caller,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 10)
    for slug in ("kraut", "pickles"):
        await admin.post("/v1/brands", json={"slug": slug, "name": slug})
    await register(admin, kinds=["phone"], media=["sms"], brands=["kraut"])
    puller = await caller("journal:read", bound_to="crm")
    await registry.object(*(phone(number) for number in range(40)), media=Media.VOICE)
    await registry.object(*(phone(number) for number in range(40, 80)), brand=2)
    await registry.object(Identifier(Kind.EMAIL, "jane@example.com"))
    answer = await puller.get("/v1/snapshot")
    assert (answer.status_code, answer.content) == (200, b"")
    await registry.object(phone(79), brand=1)
    again = await puller.get("/v1/snapshot")
    (row,) = rows_of(again.headers, again.content)
    assert row[:5] == ("phone", "+33639980079", "kraut", "sms", "1")


async def test_as_many_lists_as_one_process_sends_and_no_more(
    puller: httpx.AsyncClient, app: FastAPI, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PIECE", 1)
    await registry.object(phone(1), phone(2))
    sender: Snapshots = app.state.snapshots
    async with AsyncExitStack() as stack:
        for _ in range(16):
            begun = await sender.begin(1)
            pieces = sender.stream(begun, "ndjson", "identity", Sending())
            await stack.enter_async_context(aclosing(pieces))
            assert await anext(pieces)
        refused = await puller.get("/v1/snapshot")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "30"
        assert problem(refused)["detail"] == "16 lists are being sent; ask again."
    assert (await puller.get("/v1/snapshot")).status_code == 200


async def test_packed_over_a_socket_it_converges_while_four_go_on_writing(
    puller: httpx.AsyncClient, registry: Registry, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 20)
    monkeypatch.setattr(snapshots, "_PIECE", 5)
    people = [phone(number) for number in range(400)]
    await registry.object(*people[:300])
    theirs = Table()
    stopping = asyncio.Event()

    async def go_on_writing(writer: int) -> int:
        done = 0
        while not stopping.is_set():
            person = people[(done * 37 + writer * 101) % len(people)]
            if done % 3:
                await registry.object(person, media=EVERY_MEDIUM)
            else:
                await registry.reinstate(person)
            done += 1
        return done

    writing = [asyncio.create_task(go_on_writing(writer)) for writer in range(4)]
    headers, body = await taken(url, puller, **{"Accept-Encoding": "zstd"})
    for line in unpacked(headers, body).splitlines():
        theirs.apply(json.loads(line))
    stopping.set()
    assert all(done > 1 for done in await asyncio.gather(*writing))
    feed = await read(puller, cursor=headers["journal-cursor"])
    while feed["entries"]:
        for entry in feed["entries"]:
            theirs.apply(entry)
        feed = await read(puller, cursor=feed["next_cursor"])
    assert theirs.suppressed == await table_of(registry)
