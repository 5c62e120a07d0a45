"""The client commands, as processes, against a served registry and against false ones."""

import asyncio
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.remote import NoAnswer, connected
from tests.commands import Command, ask
from tests.peers import Talk, peer, read_request
from tests.servers import Served, free_port, serving

pytestmark = pytest.mark.own_postgres

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
RECEIPT = b'{"id": "1", "propagation": {}}'
DEFER = b'{"decision": "defer", "reasons": [], "identifier": {"masked": "x"}, "valid_until": null}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a registry with a brand, a channel and a database."""
    with serving(tmp_path_factory.mktemp("client") / "data") as served:
        client = _admin(served)
        for path, document in (
            ("brands", {"slug": "sauerkraut", "name": "Sauerkraut"}),
            (
                "parties",
                {
                    "slug": "dakar",
                    "name": "Call centre, Dakar",
                    "kind": "subcontractor",
                    "country": "SN",
                    "contact_email": "dakar@example.com",
                },
            ),
            (
                "databases",
                {
                    "slug": "letters",
                    "name": "Letters",
                    "party": "dakar",
                    "kinds": ["siren"],
                    "media": ["post"],
                    "delivery": {"mode": "pull"},
                },
            ),
            (
                "channels",
                {
                    "slug": "call-centre-dakar",
                    "name": "Calls from Dakar",
                    "kind": "call_centre",
                    "party": "dakar",
                },
            ),
        ):
            client.post(f"/v1/{path}", json=document).raise_for_status()
        client.close()
        yield served


@pytest.fixture
def command(served: Served) -> Command:
    """Run commands with a key that is bound to the channel."""
    return Command(served.url, _key(served, ["opt-outs:write", "checks"], "call-centre-dakar"))


def _admin(served: Served) -> httpx.Client:
    return httpx.Client(
        base_url=served.url, headers={"Authorization": f"Bearer {served.admin_key}"}, timeout=30
    )


def _key(
    served: Served, scopes: list[str], channel: str | None = None, database: str | None = None
) -> str:
    with _admin(served) as admin:
        new = {"name": "test", "scopes": scopes, "channel": channel, "database": database}
        made = admin.post("/v1/keys", json=new)
    return str(made.raise_for_status().json()["key"])


def test_an_opt_out_prints_its_receipt_masked_and_a_check_then_blocks(command: Command) -> None:
    before = command("check", "--phone", "06 39 98 10 01", "--medium", "voice")
    assert before.returncode == 0
    assert re.fullmatch(rf"allow  \+33 6 •• •• •• 01  voice  until {TIME}\n", before.stdout)

    taken = command("opt-out", "--phone", "06 39 98 10 01", "--email", "someone@example.com")
    assert taken.returncode == 0
    assert re.fullmatch(
        rf"Receipt {UUID}, journal position \d+\n"
        rf"  objection by call-centre-dakar of {TIME}\n"
        r"  \+33 6 •• •• •• 01  voice, sms, messaging, email, post  every brand\n"
        r"  s•••@example\.com  voice, sms, messaging, email, post  every brand\n"
        r"  acknowledged by 0 of \d databases so far\n",
        taken.stdout,
    )

    after = command("check", "--phone", "+33 6 39 98 10 01", "--medium", "voice")
    assert after.returncode == 1
    assert re.fullmatch(
        rf"block  \+33 6 •• •• •• 01  voice\n  opted_out: objection of {TIME}, every brand\n",
        after.stdout,
    )


def test_every_option_of_an_opt_out_reaches_the_registry(command: Command, served: Served) -> None:
    taken = command(
        "opt-out",
        *("--phone", "06 39 98 10 02", "--phone", "06 39 98 10 03", "--region", "FR"),
        *("--siren", "732829320", "--customer", "crm:7"),
        *("--media", "voice", "--media", "sms", "--brand", "sauerkraut"),
        *("--reason", "refusal", "--occurred-at", "2026-01-31T10:00:00+01:00"),
        *("--channel", "call-centre-dakar", "--recorded-by", "agent 7", "--reference", "call 1"),
        *("--evidence", "tape 1", "--evidence-kind", "call_recording"),
        *("--evidence-sha256", "0" * 64, "--json"),
    )
    receipt = json.loads(taken.stdout)
    assert [one["masked"] for one in receipt["suppressions"]] == [
        "+33 6 •• •• •• 02",
        "+33 6 •• •• •• 03",
        "•••20",
        "•••:7",
    ]
    assert receipt["media"] == ["voice", "sms"]
    assert receipt["brand"] == "sauerkraut"
    assert receipt["reason"] == "refusal"
    assert receipt["occurred_at"] == "2026-01-31T09:00:00.000000Z"
    with _admin(served) as admin:
        assert admin.get(f"/v1/opt-outs/{receipt['id']}").json() == receipt

    again = command(
        "opt-out", "--phone", "06 39 98 10 02", "--reference", "call 1", "--media", "sms"
    )
    assert again.returncode == 1, "the reference was not told"


def test_contact_points_on_standard_input_are_one_a_line(command: Command) -> None:
    taken = command("opt-out", "--phone", "-", "--json", given=b"0639981004\n\n 06 39 98 10 05\r\n")
    masked = [one["masked"] for one in json.loads(taken.stdout)["suppressions"]]
    assert masked == ["+33 6 •• •• •• 04", "+33 6 •• •• •• 05"]

    asked = command("check", "--phone", "-", "--medium", "sms", given=b"+33639981005\n")
    assert asked.returncode == 1
    assert asked.stdout.startswith("block  +33 6 •• •• •• 05")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        pytest.param(["opt-out"], b"", id="nobody"),
        pytest.param(["opt-out", "--phone", "-", "--email", "a@example.com"], b"", id="empty"),
        pytest.param(["check", "--phone", "-", "--email", "a@b.c", "--medium", "sms"], b"", id="e"),
        pytest.param(["opt-out", "--phone", "-", "--email", "-"], b"x", id="two readers"),
        pytest.param(["opt-out", "--phone", "-"], b"\xff", id="no text"),
        pytest.param(["opt-out", "--phone", "1", "--evidence-sha256", "0"], b"", id="no evidence"),
        pytest.param(["check", "--medium", "sms"], b"", id="check nobody"),
        pytest.param(["check", "--phone", "0639981001"], b"", id="check without a medium"),
        pytest.param(["check", "--phone", "-", "--medium", "sms"], b"1\n2\n", id="check two"),
        pytest.param(["check", "--phone", "1", "--medium", "sms", "--key", "é"], b"", id="no key"),
        pytest.param(["check", "--phone", "1", "--medium", "sms", "--url", "x"], b"", id="no url"),
        pytest.param(["snapshot"], b"", id="snapshot to nowhere"),
        pytest.param(["snapshot", "-o", "-", "--json"], b"", id="two outputs"),
    ],
)
def test_wrong_use_ends_with_2_and_asks_nobody(words: list[str], given: bytes) -> None:
    done = Command(f"http://127.0.0.1:{free_port()}").here(*words, given=given)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_the_version_is_that_of_the_package() -> None:
    written = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    printed = Command("http://127.0.0.1:1")("--version")
    assert (printed.returncode, printed.stdout.strip()) == (0, written["project"]["version"])


def test_a_refusal_shows_title_detail_and_pointers_and_ends_with_1(command: Command) -> None:
    done = command("opt-out", "--phone", "0639981006", "--media", "smoke", "--brand", "")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "The request cannot be understood: 2 things are wrong.",
        "  /media: one of voice, sms, messaging, email, post is needed",
        "  /brand: String should match pattern '^[a-z0-9-]{1,64}$'",
    ]
    assert command("check", "--phone", "0639981006", "--medium", "voice").returncode == 0


def test_a_refusal_for_machines_is_the_problem_itself(command: Command) -> None:
    done = command("check", "--phone", "nobody's", "--medium", "sms", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["type"] == "/problems/unusable-identifier"
    assert done.stderr.startswith("Do not contact")


def test_a_key_that_is_not_known_is_refused(command: Command) -> None:
    done = command("check", "--phone", "0639981006", "--medium", "voice", "--key", "optout_x")
    assert done.returncode == 1
    assert done.stderr.startswith("Do not contact")
    assert "A valid key is needed" in done.stderr


def test_a_check_without_a_registry_ends_with_3_and_says_do_not_contact() -> None:
    done = Command(f"http://127.0.0.1:{free_port()}")("check", "--phone", "1", "--medium", "voice")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("Do not contact")
    assert "cannot be reached" in done.stderr


def _answer(status: str, body: bytes, type_: str = "application/json", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {type_}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(_answer("200 OK", b"<html>", "text/html"), 3, id="a page"),
        pytest.param(_answer("200 OK", b"[]"), 3, id="a list"),
        pytest.param(_answer("302 Found", b"", more="Location: /elsewhere\r\n"), 3, id="elsewhere"),
        pytest.param(_answer("404 Not Found", b"{}"), 3, id="no registry"),
        pytest.param(_answer("500 Oh", b"{}", "application/problem+json"), 3, id="a fault"),
        pytest.param(_answer("403 No", b"{", "application/problem+json"), 3, id="half a problem"),
        pytest.param(_answer("200 OK", b'{"decision": "allow"}')[:-9], 3, id="half an answer"),
        pytest.param(_answer("200 OK", DEFER), 1, id="defer"),
        pytest.param(_answer("200 OK", b'{"allow": true}'), 3, id="another shape"),
    ],
)
async def test_what_is_no_allow_is_no_permission(answer: bytes, status: int) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    done = await ask(talk, "check", "--phone", "1", "--medium", "voice")
    assert done.returncode == status, done.stderr
    assert "allow  " not in done.stdout


async def test_an_opt_out_without_an_answer_is_sent_again_under_the_same_key() -> None:
    keys: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        keys.extend(re.findall(rb"(?i)idempotency-key: (\S+)", request))
        if len(keys) == 2:
            busy = b'{"title": "Busy", "detail": "Ask again."}'
            writer.write(_answer("409 No", busy, "application/problem+json", "Retry-After: 1\r\n"))
        if len(keys) == 3:
            writer.write(_answer("201 Created", RECEIPT))
        await writer.drain()

    done = await ask(talk, "opt-out", "--phone", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(RECEIPT)
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_an_opt_out_without_a_receipt_names_the_key_to_try_again_with() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    done = await ask(silent, "opt-out", "--phone", "1", "--idempotency-key", "mine")
    assert done.returncode == 3
    assert "--idempotency-key mine" in done.stderr
    assert "cannot be reached" in done.stderr


async def test_a_refused_opt_out_is_not_sent_again() -> None:
    refusal = _answer("403 No", b'{"title": "No"}', "application/problem+json")
    async with peer(refusal) as registry:
        done = await asyncio.to_thread(
            Command(f"http://127.0.0.1:{registry.port}").here, "opt-out", "--phone", "1"
        )
    assert done.returncode == 1
    assert done.stderr == "No\n"
    assert len(registry.requests) == 1


async def test_an_answer_that_comes_byte_by_byte_is_given_up() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    def ask_once(url: str) -> None:
        with connected(url, {}, seconds=30, within=0.5) as registry:
            registry.post("/v1/checks", {})

    async with peer(trickle) as registry:
        with pytest.raises(NoAnswer, match=r"did not answer within 0\.5 seconds"):
            await asyncio.to_thread(ask_once, f"http://127.0.0.1:{registry.port}")


@pytest.mark.parametrize(
    ("status", "after", "least", "most"),
    [
        ("429 No", "4", 4, 4),
        ("503 No", "75", 75, 75),
        ("429 No", "Fri, 01 Jan 2100 00:00:00 GMT", 1e8, 1e10),
        ("429 No", "Sat, 01 Jan 2000 00:00:00 GMT", 0, 0),
        ("429 No", "soon", 0, 0),
    ],
)
async def test_what_stands_before_a_registry_is_waited_for_as_it_says(
    status: str, after: str, least: float, most: float
) -> None:
    def ask_once(url: str) -> None:
        with connected(url, {}, seconds=30) as registry:
            registry.get("/v1/journal", {})

    answer = _answer(status, b"<p>busy</p>", "text/html", f"Retry-After: {after}\r\n")
    async with peer(_streaming_one(answer)) as registry:
        with pytest.raises(NoAnswer) as failed:
            await asyncio.to_thread(ask_once, f"http://127.0.0.1:{registry.port}")
    assert failed.value.retry_after is not None
    assert least <= failed.value.retry_after <= most
    assert failed.value.passes_soon == (most < 10)


def _streaming_one(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return talk


async def test_the_surroundings_choose_neither_proxy_nor_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n", encoding="ascii")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with peer(_answer("201 Created", RECEIPT)) as registry:
        done = await asyncio.to_thread(
            Command(f"http://127.0.0.1:{registry.port}"), "opt-out", "--phone", "1", "--json"
        )
    assert done.returncode == 0, done.stderr
    assert b"authorization: bearer optout_unread" in registry.requests[0].lower()


def test_a_snapshot_is_the_list_of_the_database_that_the_key_is_bound_to(
    command: Command, served: Served, tmp_path: Path
) -> None:
    taken = command("opt-out", "--siren", "552100554", "--phone", "0639981007", "--json")
    receipt = json.loads(taken.stdout)
    suppression = receipt["suppressions"][0]
    bound = Command(served.url, _key(served, ["journal:read"], database="letters"))
    done = bound("snapshot", "-o", str(tmp_path / "list"), "--json")
    cursor = (tmp_path / "list.cursor").read_text(encoding="ascii").strip()
    assert json.loads(done.stdout) == {"lines": 1, "erased": 0, "journal_cursor": cursor}
    line = {
        "identifier": {"kind": "siren", "format": "plain", "value": "552100554"},
        "brand": None,
        "media": ["post"],
        "version": 1,
        "position": receipt["position"],
        "since": suppression["since"],
    }
    assert json.loads((tmp_path / "list").read_text(encoding="utf-8")) == line

    written = bound("snapshot", "-o", "-", "--format", "csv")
    assert written.stdout.splitlines() == [
        "kind,value,brand,media,version,position,since",
        f"siren,552100554,,post,1,{line['position']},{line['since']}",
    ]
    assert written.stderr.splitlines() == [
        "2 lines; 0 more are erased and cannot be told",
        f"Journal-Cursor: {cursor}",
    ]
    assert command("snapshot", "-o", "-").returncode == 1, "a key that is bound to no database"
