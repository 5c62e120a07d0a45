"""The outbound client before real sockets: what it refuses, what it bears, what it keeps."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from app.platform.http import (
    ANSWER_BYTES,
    Outbound,
    Zone,
    parse_destination,
    resolve,
)
from app.settings import Settings
from tests.peers import (
    LOOPBACK,
    OK,
    Authority,
    answering,
    at,
    failing,
    peer,
    post,
    saying,
)


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(LOOPBACK)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_the_bytes_arrive_as_they_were_given(outbound: Outbound) -> None:
    answer = b"HTTP/1.1 207 Multi\r\nX-Thing: a\r\nContent-Length: 4\r\n\r\n\x00\xff{}"
    async with peer(answer) as receiver:
        got = await post(outbound, at(receiver), b'{"n": 1}')
    (request,) = receiver.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /hook HTTP/1.1",
        f"host: 127.0.0.1:{receiver.port}".encode(),
        b"user-agent: optout-registry",
        b"accept: application/json",
        b"webhook-id: 1",
        b"accept-encoding: identity",
        b"content-length: 8",
    ]
    assert body == b'{"n": 1}'
    assert (got.status, got.headers, got.body, got.cut) == (
        207,
        {"x-thing": "a", "content-length": "4"},
        b"\x00\xff{}",
        False,
    )
    assert 0 < got.duration < 5
    assert "\\xff" not in repr(got)


async def test_what_is_only_asked_for_goes_out_without_a_body(outbound: Outbound) -> None:
    async with peer() as receiver:
        got = await outbound.get(at(receiver), deadline=5)
    assert got.status == 200
    assert receiver.requests[0].startswith(b"GET /hook HTTP/1.1\r\n")
    assert receiver.requests[0].endswith(b"content-length: 0\r\n\r\n")


async def test_one_connection_serves_request_after_request(outbound: Outbound) -> None:
    async with peer() as receiver:
        for _ in range(5):
            await post(outbound, at(receiver))
        assert (receiver.connections, len(receiver.requests)) == (1, 5)
        await outbound.aclose()
        await post(outbound, at(receiver))
        assert receiver.connections == 2


async def test_what_may_be_read_is_counted_for_each_answer_anew(outbound: Outbound) -> None:
    body = b"a" * ANSWER_BYTES
    async with peer(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    ) as receiver:
        for _ in range(6):
            got = await post(outbound, at(receiver))
            assert (got.body, got.cut) == (body, False)
    assert receiver.connections == 1


async def test_a_connection_that_has_lived_too_long_is_not_used_again() -> None:
    client = Outbound(LOOPBACK, connection_seconds=0.2)
    async with peer() as receiver:
        for _ in range(6):
            await post(client, at(receiver))
            await asyncio.sleep(0.05)
        await client.aclose()
    assert 2 <= receiver.connections <= 3


async def test_a_receiver_that_hung_up_between_requests_is_called_again(
    outbound: Outbound,
) -> None:
    async with peer(saying(OK)) as receiver:
        for _ in range(3):
            assert (await post(outbound, at(receiver))).status == 200
            await asyncio.sleep(0.02)
    assert receiver.connections == 3


async def test_a_redirect_is_an_answer_and_is_not_followed(outbound: Outbound) -> None:
    async with peer() as other:
        location = f"http://127.0.0.1:{other.port}/".encode()
        redirect = b"HTTP/1.1 307 T\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        async with peer(redirect) as receiver:
            assert (await post(outbound, at(receiver))).status == 307
        assert other.connections == 0


async def test_the_environments_proxy_is_not_used(
    outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peer() as proxy, peer() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await post(outbound, at(receiver))
    assert (proxy.connections, receiver.connections) == (0, 1)


# Where requests go


@pytest.mark.parametrize(
    "answers",
    [
        ("127.0.0.1",),
        ("8.8.8.8", "127.0.0.1"),
        ("127.0.0.1", "8.8.8.8"),
        ("2606:4700::1111", "::ffff:127.0.0.1"),
        ("10.0.0.5",),
        ("169.254.169.254",),
        ("fe80::1%eth0",),
    ],
)
async def test_a_public_name_with_any_forbidden_answer_gets_no_byte(
    answers: tuple[str, ...],
) -> None:
    async with peer() as receiver:
        settings = Settings(public_ports=(receiver.port,))
        url = f"https://db.example.com:{receiver.port}/hook"
        client = Outbound(settings, resolve=answering(*answers))
        error = await failing(client, parse_destination(url, Zone.PUBLIC, settings))
        await asyncio.sleep(0.02)
        assert error.kind == "forbidden-destination"
        assert receiver.connections == 0


@pytest.mark.parametrize(
    "answers", [("127.0.0.3",), ("127.0.0.1", "127.0.0.3"), ("169.254.169.254",), ("8.8.8.8",)]
)
async def test_an_internal_name_with_any_answer_outside_gets_no_byte(
    answers: tuple[str, ...],
) -> None:
    async with peer(host="127.0.0.3") as receiver:
        client = Outbound(LOOPBACK, resolve=answering(*answers))
        error = await failing(client, at(receiver, host="crm"))
        await asyncio.sleep(0.02)
        assert error.kind == "forbidden-destination"
        assert receiver.connections == 0


async def test_a_name_is_looked_up_once_and_the_address_that_was_judged_is_called() -> None:
    answers = [("127.0.0.1",), ("127.0.0.3",)]

    async def rebinding(_host: str) -> Sequence[str]:
        return answers.pop(0)

    client = Outbound(LOOPBACK, resolve=rebinding)
    async with peer() as receiver:
        await post(client, at(receiver, host="crm.example.com"))
        await post(client, at(receiver, host="crm.example.com"))
        assert len(answers) == 1
        assert b"host: crm.example.com:" in receiver.requests[0]
        await client.aclose()
        error = await failing(client, at(receiver, host="crm.example.com"))
    assert error.kind == "forbidden-destination"
    assert receiver.connections == 1


async def test_a_connection_of_the_internal_zone_is_not_lent_to_the_public_one(
    authority: Authority,
) -> None:
    tls = authority.server("db.example.com")
    async with peer(tls=tls) as receiver:
        settings = LOOPBACK.model_copy(update={"public_ports": (receiver.port,)})
        client = Outbound(settings, resolve=answering("127.0.0.1"), tls=authority.client())
        url = f"https://db.example.com:{receiver.port}/hook"
        await post(client, parse_destination(url, Zone.INTERNAL, settings))
        error = await failing(client, parse_destination(url, Zone.PUBLIC, settings))
        await client.aclose()
    assert error.kind == "forbidden-destination"
    assert len(receiver.requests) == 1


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    async with peer(host="127.0.0.2") as receiver:
        client = Outbound(LOOPBACK, resolve=answering("127.0.0.1", "127.0.0.2"))
        assert (await post(client, at(receiver, host="crm"))).status == 200
        await client.aclose()


async def test_a_literal_address_is_judged_again_when_the_settings_have_changed() -> None:
    async with peer() as receiver:
        error = await failing(Outbound(Settings()), at(receiver))
    assert error.kind == "forbidden-destination"
    assert receiver.connections == 0


async def test_the_operating_system_looks_names_up() -> None:
    assert "127.0.0.1" in await resolve("localhost")
    async with peer() as receiver:
        client = Outbound(LOOPBACK)
        assert (await failing(client, at(receiver, host="nobody.invalid"))).kind == "dns"


@pytest.mark.parametrize("answer", ["", "not an address", "127.0.0.1/8"])
async def test_an_answer_that_is_no_address_is_a_failed_look_up(answer: str) -> None:
    async with peer() as receiver:
        client = Outbound(LOOPBACK, resolve=answering(answer))
        assert (await failing(client, at(receiver, host="crm"))).kind == "dns"


async def test_nobody_listening_is_told_as_such(outbound: Outbound) -> None:
    async with peer() as receiver:
        pass
    error = await failing(outbound, at(receiver))
    assert error.kind == "connect"
    assert error.detail == f"127.0.0.1 port {receiver.port}: connection refused"


# TLS


async def test_certificate_and_server_name_are_the_names_not_the_addresss(
    authority: Authority,
) -> None:
    async with peer(tls=authority.server("db.example.com")) as receiver:
        client = Outbound(LOOPBACK, resolve=answering("127.0.0.1"), tls=authority.client())
        destination = at(receiver, host="db.example.com", scheme="https")
        for _ in range(3):
            assert (await post(client, destination, b"x" * 262_144)).status == 200
        await client.aclose()
    assert receiver.server_names == ["db.example.com"]
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        (("other.example.com",), 1, "Hostname mismatch"),
        (("127.0.0.1",), 1, "Hostname mismatch"),
        (("db.example.com",), -1, "certificate has expired"),
    ],
)
async def test_a_certificate_that_does_not_fit_gets_no_request(
    authority: Authority, names: tuple[str, ...], days: int, words: str
) -> None:
    async with peer(tls=authority.server(*names, days=days)) as receiver:
        client = Outbound(LOOPBACK, resolve=answering("127.0.0.1"), tls=authority.client())
        error = await failing(client, at(receiver, host="db.example.com", scheme="https"))
    assert error.kind == "tls"
    assert words in error.detail
    assert receiver.requests == []


async def test_an_unknown_authority_gets_no_request(authority: Authority, tmp_path: Path) -> None:
    for stranger in (None, Authority(tmp_path).client()):
        async with peer(tls=authority.server("db.example.com")) as receiver:
            client = Outbound(LOOPBACK, resolve=answering("127.0.0.1"), tls=stranger)
            error = await failing(client, at(receiver, host="db.example.com", scheme="https"))
        assert error.kind == "tls"
        assert receiver.requests == []


async def test_a_server_without_tls_gets_no_request(outbound: Outbound) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com\r\n")
        await writer.drain()

    async with peer(greet) as receiver:
        assert (await failing(outbound, at(receiver, scheme="https"))).kind == "tls"


async def test_a_handshake_that_hangs_is_inside_the_deadline_and_leaves_no_socket(
    outbound: Outbound,
) -> None:
    closed = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(4_096):
            pass
        closed.set()

    async with peer(hang) as receiver:
        error = await failing(outbound, at(receiver, scheme="https"), deadline=0.1)
        assert (error.kind, error.detail.endswith("in the TLS handshake")) == ("timeout", True)
        async with asyncio.timeout(1):
            await closed.wait()
