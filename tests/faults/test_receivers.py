"""Receivers that hang, drip, break off, lie and never stop: bounded time, bounded memory."""

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import uvloop

from app.platform.http import ANSWER_BYTES, Outbound
from tests.peers import LOOPBACK, Talk, at, endless, failing, peer, post, read_request, saying
from tests.test_http import (
    test_a_handshake_that_hangs_is_inside_the_deadline_and_leaves_no_socket as hanging_handshake,
)
from tests.test_http import (
    test_a_receiver_that_hung_up_between_requests_is_called_again as hung_up_between,
)
from tests.test_http import (
    test_a_server_without_tls_gets_no_request as no_tls,
)
from tests.test_http import (
    test_nobody_listening_is_told_as_such as nobody_listening,
)
from tests.test_http import (
    test_one_connection_serves_request_after_request as request_after_request,
)


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(LOOPBACK)
    yield client
    await client.aclose()


async def test_a_hanging_name_server_is_inside_the_deadline() -> None:
    async def hanging(_host: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return ("127.0.0.1",)

    async with peer() as receiver:
        client = Outbound(LOOPBACK, resolve=hanging)
        error = await failing(client, at(receiver, host="crm"), deadline=0.1)
    assert (error.kind, error.detail.endswith("looking up the name")) == ("timeout", True)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "talk",
    [
        endless(b"", b"", pause=0.05),
        endless(HEAD, b"a", pause=0.05),
        endless(HEAD + b"Content-Length: 9999\r\n\r\n", b"a", pause=0.05),
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", pause=0.05),
        endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.05),
    ],
    ids=["silent", "dripping head", "dripping body", "dripping chunks", "processing for ever"],
)
async def test_the_deadline_holds_the_whole_request(outbound: Outbound, talk: Talk) -> None:
    async with peer(talk) as receiver:
        started = time.monotonic()
        error = await failing(outbound, at(receiver), deadline=0.4)
        assert 0.3 < time.monotonic() - started < 10
    assert error.kind == "timeout"
    assert error.detail.endswith("waiting for the answer")


async def test_a_receiver_that_does_not_read_is_inside_the_deadline(outbound: Outbound) -> None:
    async def deaf(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with peer(deaf) as receiver:
        error = await failing(outbound, at(receiver), b"x" * 16_777_216, deadline=0.4)
    assert (error.kind, error.detail.endswith("sending")) == ("timeout", True)


@pytest.mark.parametrize(
    "talk",
    [
        endless(HEAD, b"X-Again: and again\r\n"),
        endless(HEAD + b"X-Long: ", b"a" * 4_096),
        endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"a" * 999 + b"\r\na\r\n"),
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: a\r\n"),
    ],
    ids=["headers", "one header", "informational answers", "chunk extensions", "trailers"],
)
async def test_endless_framing_is_cut_off(outbound: Outbound, talk: Talk) -> None:
    async with peer(talk) as receiver:
        assert (await failing(outbound, at(receiver))).kind == "too-large"


async def test_an_endless_body_is_cut_off_and_the_connection_with_it(outbound: Outbound) -> None:
    talk = endless(HEAD + b"Content-Length: 99999999999\r\n\r\n", b"a" * 65_536)
    async with peer(talk) as receiver:
        await post(outbound, at(receiver))
        tracemalloc.start()
        got = await post(outbound, at(receiver))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (got.status, got.body, got.cut) == (200, b"a" * ANSWER_BYTES, True)
        assert peak < 2_000_000
        assert receiver.connections == 2


async def test_a_compressed_answer_is_kept_as_it_came(outbound: Outbound) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with peer(saying(head, bomb)) as receiver:
        got = await post(outbound, at(receiver))
    assert (got.body, got.cut) == (bomb[:ANSWER_BYTES], True)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", "reset"),
        (HEAD, "reset"),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", "reset"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "protocol"),
        (b"HTTP/2 200\r\n\r\n", "protocol"),
        (b"HTTP/1.1 banana\r\n\r\n", "protocol"),
        (b"HTTP/1.1 099 Low\r\n\r\n", "protocol"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "protocol",
        ),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na", "protocol"),
        (HEAD + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\na", "protocol"),
        (HEAD + b"Content-Length: -1\r\n\r\na", "protocol"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\na", "protocol"),
        (HEAD + b"Bad\x00Header: 1\r\n\r\n", "protocol"),
    ],
)
async def test_half_an_answer_or_nonsense_is_a_failure(
    outbound: Outbound, said: bytes, kind: str
) -> None:
    async with peer(saying(said)) as receiver:
        assert (await failing(outbound, at(receiver))).kind == kind
        assert (await failing(outbound, at(receiver))).kind == kind
    assert receiver.connections == 2


async def test_a_reset_is_told_as_such(outbound: Outbound) -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.transport.abort()

    async with peer(slam) as receiver:
        assert (await failing(outbound, at(receiver))).kind == "reset"


async def test_a_half_closed_connection_still_answers(outbound: Outbound) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nyes")
        writer.write_eof()
        await reader.read()

    async with peer(half) as receiver:
        assert (await post(outbound, at(receiver))).body == b"yes"


async def test_an_early_refusal_of_a_large_body_is_read(outbound: Outbound) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(262_144)

    async with peer(refuse) as receiver:
        assert (await post(outbound, at(receiver), b"x" * 262_144)).status == 413


@pytest.mark.parametrize(
    "held",
    [
        test_a_receiver_that_does_not_read_is_inside_the_deadline,
        test_an_endless_body_is_cut_off_and_the_connection_with_it,
        test_a_compressed_answer_is_kept_as_it_came,
        test_a_reset_is_told_as_such,
        test_a_half_closed_connection_still_answers,
        test_an_early_refusal_of_a_large_body_is_read,
        request_after_request,
        hung_up_between,
        nobody_listening,
        no_tls,
        hanging_handshake,
    ],
)
def test_it_holds_on_the_loop_of_the_workers_too(
    held: Callable[[Outbound], Awaitable[None]],
) -> None:
    async def hold() -> None:
        client = Outbound(LOOPBACK)
        await held(client)
        await client.aclose()

    # Its transports are of other classes, and end otherwise.
    uvloop.run(hold())


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        (saying(b""), "reset"),
        (saying(HEAD + b"Content-Length: 10\r\n\r\nabc"), "reset"),
        (saying(b"HTTP/1.1 banana\r\n\r\n"), "protocol"),
        (endless(HEAD, b"X-Again: and again\r\n"), "too-large"),
        (endless(HEAD, b"a", pause=0.05), "timeout"),
    ],
)
def test_what_fails_on_one_loop_fails_on_the_other(talk: Talk, kind: str) -> None:
    async def fail() -> None:
        async with peer(talk) as receiver:
            client = Outbound(LOOPBACK)
            assert (await failing(client, at(receiver), deadline=2)).kind == kind
            await client.aclose()

    uvloop.run(fail())
