"""Databases that pull: the feed, its cursors and their forks, the long poll, what they applied."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.engine import URL

from app.identifiers import Identifier
from app.journal import Kind, Lane, Media
from app.platform.db import Database
from app.settings import Settings
from tests.acts import Registry, minute, phone
from tests.conftest import Caller
from tests.receivers import Table, hasty, register, standing
from tests.restores import backed_up
from tests.servers import serving
from tests.test_parties import TIME, problem


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return hasty(settings)


async def read(puller: httpx.AsyncClient, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - a query
    """Ask for entries."""
    answer = await puller.get("/v1/journal", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def positions(feed: dict[str, Any]) -> list[int]:
    """Tell which entries were shown."""
    return [entry["position"] for entry in feed["entries"]]


async def set_lanes(registry: Registry, lane: Lane, *, upto: int) -> None:
    """Make the first entries ones that a file brought, which the journal itself never does."""
    async with registry.database.transaction() as session:
        await session.execute(
            text("UPDATE journal_entries SET lane = :lane WHERE position <= :upto"),
            {"lane": lane, "upto": upto},
        )


async def test_an_entry_is_shown_as_the_contract_says(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1), media=Media.SMS, at=minute(1))
    feed = await read(puller)
    (entry,) = feed.pop("entries")
    assert UUID(entry.pop("id")).version == 7
    assert TIME.fullmatch(entry.pop("recorded_at"))
    assert entry == {
        "position": 1,
        "type": "suppression.added",
        "lane": "live",
        "occurred_at": "2026-03-01T00:01:00.000000Z",
        "identifier": {"kind": "phone", "format": "plain", "value": "+33639980001"},
        "brand": None,
        "media": ["sms"],
        "version": 1,
        "reason": "objection",
    }
    assert len(feed.pop("next_cursor")) <= 200
    assert feed == {"has_more": False, "head": 1}


async def test_pages_follow_on_each_other(puller: httpx.AsyncClient, registry: Registry) -> None:
    for number in range(1, 6):
        await registry.object(phone(number))
    first = await read(puller, limit=2)
    second = await read(puller, limit=2, cursor=first["next_cursor"])
    third = await read(puller, limit=2, cursor=second["next_cursor"])
    assert [positions(feed) for feed in (first, second, third)] == [[1, 2], [3, 4], [5]]
    assert [feed["has_more"] for feed in (first, second, third)] == [True, True, False]
    nothing = await read(puller, cursor=third["next_cursor"])
    assert (nothing["entries"], nothing["has_more"]) == ([], False)
    assert nothing["next_cursor"] == third["next_cursor"]


async def test_latest_means_from_now(puller: httpx.AsyncClient, registry: Registry) -> None:
    await registry.object(phone(1))
    feed = await read(puller, cursor="latest")
    assert (feed["entries"], feed["has_more"], feed["head"]) == ([], False, 1)
    await registry.object(phone(2))
    assert positions(await read(puller, cursor=feed["next_cursor"])) == [2]


async def test_the_live_lane_leaves_out_what_files_brought(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    for number in range(1, 4):
        await registry.object(phone(number))
    await set_lanes(registry, Lane.BULK, upto=2)
    assert positions(await read(puller)) == [1, 2, 3]
    assert positions(await read(puller, lane="live")) == [3]


async def test_a_long_poll_answers_when_an_entry_comes_and_holds_no_connection(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    cursor = (await read(puller, cursor="latest"))["next_cursor"]
    polls = [asyncio.create_task(read(puller, cursor=cursor, wait=25)) for _ in range(40)]
    await asyncio.sleep(1)
    # There are six connections: an answer would not come if the forty held one each.
    assert positions(await read(puller)) == []
    began = time.monotonic()
    await registry.object(phone(1))
    feeds_read = await asyncio.gather(*polls)
    assert time.monotonic() - began < 15
    assert [positions(feed) for feed in feeds_read] == [[1]] * 40


async def test_a_long_poll_waits_over_what_does_not_concern_it_and_ends_in_time(
    admin: httpx.AsyncClient, caller: Caller, registry: Registry
) -> None:
    await register(admin, kinds=["phone"])
    puller = await caller("journal:read", bound_to="crm")
    began = time.monotonic()
    poll = asyncio.create_task(read(puller, wait=1))
    await asyncio.sleep(0.3)
    await registry.object(Identifier(Kind.EMAIL, "jane@example.com"))
    feed = await poll
    assert 0.9 < time.monotonic() - began < 10
    assert (feed["entries"], feed["has_more"], feed["head"]) == ([], False, 1)
    await registry.object(phone(1))
    assert positions(await read(puller, cursor=feed["next_cursor"])) == [2]


def test_a_long_poll_ends_without_an_error_when_the_server_does(tmp_path: Path) -> None:
    with serving(tmp_path / "registry", "--no-worker") as served:
        headers = {"Authorization": f"Bearer {served.admin_key}"}
        with httpx.Client(base_url=served.url, headers=headers, timeout=30) as admin:
            party = {"slug": "p", "name": "P", "kind": "department", "country": "FR"}
            admin.post("/v1/parties", json=party | {"contact_email": "p@example.com"})
            pull = {"slug": "crm", "name": "C", "party": "p", "delivery": {"mode": "pull"}}
            assert admin.post("/v1/databases", json=pull).status_code == 201
            key = {"name": "C", "scopes": ["journal:read"], "database": "crm"}
            bound = admin.post("/v1/keys", json=key).json()["key"]
        answer, seconds = asyncio.run(_poll_while_it_ends(served.url, bound, served.process.pid))
        assert answer.status_code == 200
        assert answer.json()["entries"] == []
        assert seconds < 15
        assert served.process.wait(20) == 0


async def _poll_while_it_ends(url: str, key: str, pid: int) -> tuple[httpx.Response, float]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as puller:
        poll = asyncio.create_task(puller.get("/v1/journal", params={"wait": 25}))
        await asyncio.sleep(1)
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        return await poll, time.monotonic() - began


async def test_a_cursor_from_before_a_restore_is_told_so_and_the_snapshot_mends_it(
    app: FastAPI,
    admin: httpx.AsyncClient,
    puller: httpx.AsyncClient,
    registry: Registry,
    postgres: URL,
) -> None:
    list_of_theirs = Table()
    await registry.object(phone(1), phone(2))
    async with backed_up(postgres, registry.database, app.state.database) as restore:
        before = await read(puller)
        await registry.object(phone(3), phone(4))
        lost = await read(puller, cursor=before["next_cursor"])
        await restore()
        beyond = await puller.get("/v1/journal", params={"cursor": lost["next_cursor"]})
        await registry.object(phone(5), phone(6), phone(7))
        forked = await puller.get("/v1/journal", params={"cursor": lost["next_cursor"]})
        refused = await puller.post("/v1/acknowledgements", json={"cursor": lost["next_cursor"]})
        good = await read(puller, cursor=before["next_cursor"])
    for answer in (beyond, forked, refused):
        told = problem(answer)
        assert (answer.status_code, told["type"]) == (410, "/problems/journal-forked")
        assert told["snapshot"] == "/v1/snapshot"
    assert positions(good) == [3, 4, 5]
    snapshot = await puller.get(told["snapshot"])
    for line in snapshot.text.splitlines():
        list_of_theirs.apply(json.loads(line))
    assert {value for _, value, _ in list_of_theirs.suppressed} == {
        phone(number).value for number in (1, 2, 5, 6, 7)
    }
    after = await read(puller, cursor=snapshot.headers["journal-cursor"])
    assert (after["entries"], after["has_more"]) == ([], False)
    assert (await standing(admin))["acknowledged_position"] == 0


async def test_cursors_expire_when_the_registration_changes(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    cursor = (await read(puller))["next_cursor"]
    assert (await admin.patch("/v1/databases/crm", json={"name": "Other"})).status_code == 200
    assert (await read(puller, cursor=cursor))["entries"] == []
    assert (await admin.patch("/v1/databases/crm", json={"media": ["sms"]})).status_code == 200
    answer = await puller.get("/v1/journal", params={"cursor": cursor})
    told = problem(answer)
    assert (answer.status_code, told["type"]) == (410, "/problems/cursor-expired")
    assert told["snapshot"] == "/v1/snapshot"
    assert positions(await read(puller)) == [1]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "A" * 47, "-" * 200])
async def test_what_is_no_cursor_is_refused(puller: httpx.AsyncClient, cursor: str) -> None:
    read_by = await puller.get("/v1/journal", params={"cursor": cursor})
    acknowledged_by = await puller.post("/v1/acknowledgements", json={"cursor": cursor})
    assert problem(acknowledged_by)["errors"][0]["pointer"] == "/cursor"
    for answer in (read_by, acknowledged_by):
        assert (answer.status_code, problem(answer)["type"]) == (422, "/problems/bad-cursor")


async def test_an_erased_entry_has_no_value_any_more(
    puller: httpx.AsyncClient, registry: Registry
) -> None:
    await registry.object(phone(1))
    erasure = await registry.erase(phone(1))
    assert (await read(puller))["entries"][1]["identifier"]["value"] == "+33639980001"
    assert await registry.destroy(erasure)
    entries = (await read(puller))["entries"]
    assert [(entry["type"], entry["identifier"]) for entry in entries] == [
        (type_, {"kind": "phone", "format": "erased", "value": None})
        for type_ in ("suppression.added", "identifier.erased")
    ]


async def test_an_acknowledgement_is_the_proof_and_never_goes_back(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    receipts = [await registry.object(phone(number)) for number in (1, 2)]
    path = f"/v1/opt-outs/{receipts[1].opt_out.id}/propagation"
    first = (await read(puller, limit=1))["next_cursor"]
    second = (await read(puller))["next_cursor"]
    for cursor, position, status in (
        (first, 1, "pending"),
        (second, 2, "acknowledged"),
        (first, 2, "acknowledged"),
        (second, 2, "acknowledged"),
    ):
        answer = await puller.post("/v1/acknowledgements", json={"cursor": cursor})
        assert (answer.status_code, answer.json()) == (200, {"acknowledged_position": position})
        (hop,) = (await admin.get(path)).json()["databases"]
        assert hop["status"] == status
    now = await standing(admin)
    assert (now["acknowledged_position"], now["lag_entries"], now["lag_seconds"]) == (2, 0, 0)


async def test_outcomes_are_kept_the_latest_about_an_entry(
    admin: httpx.AsyncClient, puller: httpx.AsyncClient, registry: Registry
) -> None:
    receipt = await registry.object(phone(1))
    path = f"/v1/opt-outs/{receipt.opt_out.id}/propagation"
    for outcome in ("failed", "applied"):
        told = {"position": 1, "outcome": outcome, "contacts_cancelled": 2}
        answer = await puller.post("/v1/outcomes", json={"outcomes": [told]})
        assert (answer.status_code, answer.json()) == (200, {"recorded": 1})
        (hop,) = (await admin.get(path)).json()["databases"]
        assert (hop["outcome"], hop["status"]) == (outcome, "pending")
    beyond = {"outcomes": [{"position": 2, "outcome": "applied"}]}
    answer = await puller.post("/v1/outcomes", json=beyond)
    assert answer.status_code == 422
    assert problem(answer)["errors"] == [
        {"pointer": "/outcomes/0/position", "detail": "is beyond the journal"}
    ]


async def test_a_key_that_is_bound_to_no_database_follows_nothing(
    caller: Caller, admin: httpx.AsyncClient
) -> None:
    for client in (await caller("journal:read"), admin):
        for answer in (
            await client.get("/v1/journal"),
            await client.get("/v1/snapshot"),
            await client.post("/v1/acknowledgements", json={"cursor": "latest"}),
            await client.post("/v1/outcomes", json={}),
        ):
            assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/forbidden")


async def test_filters_that_match_nothing_cost_a_bounded_look_and_move_on(
    app: FastAPI, admin: httpx.AsyncClient, caller: Caller, registry: Registry
) -> None:
    await register(admin, kinds=["siren"])
    puller = await caller("journal:read", bound_to="crm")
    await registry.object(phone(1))
    await _lengthen(registry.database, 210_000)
    last = await registry.object(Identifier(Kind.SIREN, "732829320"))
    statements: list[str] = []
    event.listen(
        app.state.database.read_engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _u, statement, *_: statements.append(statement),
    )
    requests, feed = 1, await read(puller)
    while feed["has_more"]:
        assert feed["entries"] == []
        requests, feed = requests + 1, await read(puller, cursor=feed["next_cursor"])
    assert positions(feed) == [last.position]
    assert requests == 2
    assert len([one for one in statements if "touches & " in one]) == 11


async def _lengthen(database: Database, entries: int) -> None:
    """Write the first entry again and again; its chain is not asked for here."""
    async with database.transaction() as session:
        await session.execute(
            text("""
                INSERT INTO journal_entries (position, point, occurred_at, recorded_at, version,
                    brand, media, touches, kind, change, lane, reason, id, commitment, hash)
                SELECT position + n, point, occurred_at, recorded_at, version, brand, media,
                    touches, kind, change, lane, reason, gen_random_uuid(), commitment, hash
                FROM journal_entries, generate_series(1, :entries) AS n
            """),
            {"entries": entries},
        )
        await session.execute(
            text("UPDATE journal_head SET position = position + :entries"), {"entries": entries}
        )
