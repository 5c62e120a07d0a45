"""The snapshot: the present list in both formats, and with the journal the registry's own table."""

import asyncio
import csv
import io
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.delivery import snapshots
from app.identifiers import Identifier
from app.journal import EVERY_MEDIUM, Kind, Media
from app.points import open_points
from app.registry import read_states
from app.settings import Settings
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.receivers import Table, hasty, register
from tests.test_feed import read
from tests.test_parties import acts

EVERYTHING = ["voice", "sms", "messaging", "email", "post"]


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


def lines(snapshot: httpx.Response) -> list[dict[str, Any]]:
    """Read NDJSON."""
    assert snapshot.status_code == 200, snapshot.text
    assert snapshot.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in snapshot.text.splitlines()]


Rows = dict[tuple[str, str, str | None], dict[str, Any]]


async def table_of(registry: Registry) -> Rows:
    """Read the registry's own table; brands are not named, since these tests have none."""
    async with registry.database.reading() as session:
        rows = await session.execute(text("SELECT DISTINCT point FROM suppressions"))
        numbers = list(rows.scalars())
        states = await read_states(session, numbers)
        points = await open_points(session, registry.keys, numbers)
    table: Rows = {}
    for state in states:
        opened = points[state.point].identifier
        if state.media and opened is not None:
            key = (opened.kind.word, opened.value, None)
            table[key] = {"version": state.version, "media": state.media.words}
    return table


async def test_each_line_is_a_contact_point_and_brand(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    await admin.post("/v1/brands", json={"slug": "kraut", "name": "Kraut"})
    odd = Identifier(Kind.CUSTOMER, '=crm:"7", a')
    await registry.object(phone(1), media=Media.VOICE | Media.POST, at=minute(1))
    await registry.object(phone(1), brand=1, at=minute(2))
    await registry.object(phone(2))
    await registry.reinstate(phone(2))
    await registry.object(odd, at=minute(3))
    snapshot = await puller.get("/v1/snapshot")
    assert lines(snapshot) == [
        {
            "identifier": {"kind": "phone", "format": "plain", "value": "+33639980001"},
            "brand": None,
            "media": ["voice", "post"],
            "version": 1,
            "position": 1,
            "since": "2026-03-01T00:01:00.000000Z",
        },
        {
            "identifier": {"kind": "phone", "format": "plain", "value": "+33639980001"},
            "brand": "kraut",
            "media": EVERYTHING,
            "version": 1,
            "position": 2,
            "since": "2026-03-01T00:02:00.000000Z",
        },
        {
            "identifier": {"kind": "customer", "format": "plain", "value": '=crm:"7", a'},
            "brand": None,
            "media": EVERYTHING,
            "version": 1,
            "position": 5,
            "since": "2026-03-01T00:03:00.000000Z",
        },
    ]
    assert snapshot.headers["optout-erased"] == "0"
    as_csv = await puller.get("/v1/snapshot", headers={"Accept": "text/csv"})
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert as_csv.text.startswith("kind,value,brand,media,version,position,since\r\n")
    assert list(csv.reader(io.StringIO(as_csv.text, newline="")))[1:] == [
        ["phone", "+33639980001", "", "voice|post", "1", "1", "2026-03-01T00:01:00.000000Z"],
        ["phone", "+33639980001", "kraut", "|".join(EVERYTHING), "1", "2",
         "2026-03-01T00:02:00.000000Z"],
        ["customer", '=crm:"7", a', "", "|".join(EVERYTHING), "1", "5",
         "2026-03-01T00:03:00.000000Z"],
    ]  # fmt: skip
    sent = {"action": "snapshot.sent", "subject": "database:crm", "detail": {"rows": 3}}
    begun = sent | {"action": "snapshot.read", "detail": {"format": "csv"}}
    told = [
        {name: act[name] for name in ("action", "subject", "detail")}
        for act in (await acts(admin))[:4]
    ]
    assert told == [sent, begun, sent, begun | {"detail": {"format": "ndjson"}}]


async def test_a_database_is_shown_what_concerns_it_in_its_format(
    admin: httpx.AsyncClient, caller: Caller, registry: Registry
) -> None:
    hashed = {"identifier_format": "hmac-sha256"}
    await register(admin, kinds=["phone"], media=["sms"], delivery={"mode": "pull"} | hashed)
    puller = await caller("journal:read", bound_to="crm")
    await registry.object(phone(1))
    await registry.object(phone(2), media=Media.VOICE)
    await registry.object(Identifier(Kind.EMAIL, "jane@example.com"))
    (line,) = lines(await puller.get("/v1/snapshot"))
    (entry,) = (await read(puller))["entries"]
    assert line["identifier"] == entry["identifier"]
    assert (line["identifier"]["format"], len(line["identifier"]["value"])) == ("hmac-sha256", 64)
    assert line["media"] == ["sms"]


async def test_a_list_that_broke_off_is_gone_on_with_behind_any_line_whatever_changed_meanwhile(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    await admin.post("/v1/brands", json={"slug": "kraut", "name": "Kraut"})
    for number in (3, 1, 2):
        await registry.object(phone(number))
        await registry.object(phone(number), brand=1)
    whole = await puller.get("/v1/snapshot")
    cursor = whole.headers["journal-cursor"]
    for count, line in enumerate(lines(whole), 1):
        query = {"cursor": cursor, "after": line["position"]}
        rest = await puller.get("/v1/snapshot", params=query)
        assert lines(rest) == lines(whole)[count:]
        assert rest.headers["journal-cursor"] == cursor
    query = {"cursor": cursor, "after": lines(whole)[1]["position"]}
    as_csv = await puller.get("/v1/snapshot", params=query, headers={"Accept": "text/csv"})
    assert len(as_csv.text.splitlines()) == 4
    # The last line that is held changes, one in front of it, one behind it; and somebody is new.
    await registry.reinstate(phone(3))
    await registry.reinstate(phone(2))
    await registry.object(phone(4))
    theirs = Table()
    rest = await puller.get("/v1/snapshot", params=query)
    for line in [*lines(whole)[:2], *lines(rest)]:
        theirs.apply(line)
    for entry in (await puller.get("/v1/journal", params={"cursor": cursor})).json()["entries"]:
        theirs.apply(entry)
    now = Table()
    for line in lines(await puller.get("/v1/snapshot")):
        now.apply(line)
    assert theirs.suppressed == now.suppressed


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"after": 1}, 422),
        ({"cursor": "abc"}, 422),
        ({"cursor": "abc", "after": 1}, 422),
        ({"cursor": "CURSOR", "after": 0}, 422),
        ({"cursor": "CURSOR", "after": 2}, 422),
        ({"cursor": "CURSOR", "after": 2**63}, 422),
        ({"cursor": "CURSOR", "after": 1}, 200),
    ],
)
async def test_what_is_no_beginning_of_a_list_is_not_gone_on_with(
    puller: httpx.AsyncClient, registry: Registry, query: dict[str, Any], status: int
) -> None:
    await registry.object(phone(1))
    cursor = (await puller.get("/v1/snapshot")).headers["journal-cursor"]
    query = {name: cursor if value == "CURSOR" else value for name, value in query.items()}
    assert (await puller.get("/v1/snapshot", params=query)).status_code == status


async def test_a_list_is_not_gone_on_with_after_the_registration_changed(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    cursor = (await puller.get("/v1/snapshot")).headers["journal-cursor"]
    changed = await admin.patch("/v1/databases/crm", json={"kinds": ["phone"]})
    assert changed.status_code == 200, changed.text
    answer = await puller.get("/v1/snapshot", params={"cursor": cursor, "after": 1})
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/cursor-expired")


async def test_what_was_erased_is_counted_and_left_out(
    admin: httpx.AsyncClient, caller: Caller, registry: Registry
) -> None:
    await register(admin, kinds=["phone"], media=["sms"])
    puller = await caller("journal:read", bound_to="crm")
    jane = Identifier(Kind.EMAIL, "jane@example.com")
    await registry.object(phone(1), phone(2), jane)
    await registry.object(phone(3), media=Media.VOICE)
    erasure = await registry.erase(phone(1), phone(3), jane)
    cursor = (await read(puller))["next_cursor"]
    assert not await registry.destroy(erasure, waiting=registry.database.settings.erasure_delay)
    await puller.post("/v1/acknowledgements", json={"cursor": cursor})
    assert await registry.destroy(erasure, waiting=registry.database.settings.erasure_delay)
    snapshot = await puller.get("/v1/snapshot")
    assert [line["identifier"]["value"] for line in lines(snapshot)] == ["+33639980002"]
    assert snapshot.headers["optout-erased"] == "1"


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/csv"])
async def test_snapshot_and_journal_converge_on_the_registry_s_table_while_it_is_written(
    puller: httpx.AsyncClient,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    accept: str,
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 20)
    people = [phone(number) for number in range(400)]
    await registry.object(*people[:300])
    theirs = Table()
    stopping = asyncio.Event()

    async def go_on_writing() -> int:
        acts_done = 0
        while not stopping.is_set():
            person = people[(acts_done * 37) % len(people)]
            if acts_done % 3:
                await registry.object(person, media=EVERY_MEDIUM)
            else:
                await registry.reinstate(person)
            acts_done += 1
        return acts_done

    writing = asyncio.create_task(go_on_writing())
    snapshot = await puller.get("/v1/snapshot", headers={"Accept": accept})
    if accept == "text/csv":
        for row in csv.DictReader(io.StringIO(snapshot.text, newline="")):
            identifier = {"kind": row["kind"], "value": row["value"]}
            media = row["media"].split("|")
            theirs.apply({"identifier": identifier, "brand": row["brand"] or None,
                          "media": media, "version": int(row["version"])})  # fmt: skip
    else:
        for line in lines(snapshot):
            theirs.apply(line)
    stopping.set()
    assert await writing > 5
    feed = await read(puller, cursor=snapshot.headers["journal-cursor"])
    assert feed["entries"]
    while feed["entries"]:
        for entry in feed["entries"]:
            theirs.apply(entry)
        feed = await read(puller, cursor=feed["next_cursor"])
    assert theirs.suppressed == await table_of(registry)
