"""The door over the wire: receipts, references, lists, bindings, erasures."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.journal import EVERY_MEDIUM, Kind, Media, Scope, acknowledge
from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.conftest import Caller
from tests.desk import (
    EMAIL,
    EMAIL_MASKED,
    EVERY,
    FULL,
    LETTER,
    MONDAY,
    PHONE,
    PHONE_MASKED,
    TUESDAY,
    count,
    decided,
    drop,
    followed_by,
    objected,
    post,
    register,
    reinstated,
    searched,
)
from tests.test_parties import problem


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


# --- receipts


async def test_the_receipt_says_what_was_recorded_and_what_became_of_it(
    desk: httpx.AsyncClient,
) -> None:
    answer = await post(desk, "/v1/opt-outs", FULL)
    assert answer.status_code == 201
    receipt = answer.json()
    assert answer.headers["location"] == f"/v1/opt-outs/{receipt['id']}"
    assert "idempotent-replayed" not in answer.headers
    state = {
        "media": ["voice", "email"],
        "brand": "choucroute",
        "since": MONDAY,
        "version": 1,
    }
    assert drop(receipt, "id", "recorded_at") == {
        "position": 2,
        "occurred_at": MONDAY,
        "channel": "dakar",
        "reason": "refusal",
        "media": ["voice", "email"],
        "brand": "choucroute",
        "suppressions": [PHONE_MASKED | state, EMAIL_MASKED | state],
        "propagation": {"databases": 0, "acknowledged": 0},
    }
    assert (await desk.get(answer.headers["location"])).json() == receipt


async def test_what_is_left_out_means_everything_and_now(desk: httpx.AsyncClient) -> None:
    answer = await post(desk, "/v1/opt-outs", {"identifiers": [PHONE], "channel": "web"})
    receipt = answer.json()
    assert receipt["occurred_at"] == receipt["recorded_at"]
    assert (receipt["media"], receipt["brand"], receipt["reason"]) == (EVERY, None, "objection")
    nulls = dict.fromkeys(["media", "brand", "occurred_at", "recorded_by", "reference", "evidence"])
    body = {"identifiers": [PHONE | {"region": None}], "channel": "web"} | nulls
    second = (await post(desk, "/v1/opt-outs", body)).json()
    assert drop(second, "id", "recorded_at", "occurred_at") == drop(
        receipt, "id", "recorded_at", "occurred_at"
    ) | {
        "position": 2,
        "suppressions": [receipt["suppressions"][0] | {"version": 2}],
    }


async def test_an_opt_out_that_is_there_already_is_kept_and_told_to_everybody_again(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await followed_by(database, Scope(frozenset(Kind), EVERY_MEDIUM, None))
    for position in (1, 2):
        receipt = await objected(desk, media=["voice"])
        assert receipt["position"] == position
        assert receipt["propagation"] == {"databases": 1, "acknowledged": 0}
    assert await count(database, "opt_outs") == 2


async def test_the_databases_of_a_receipt_are_those_that_its_entries_concern(
    desk: httpx.AsyncClient, database: Database
) -> None:
    await followed_by(
        database,
        Scope(frozenset(Kind), EVERY_MEDIUM, None),
        Scope(frozenset({Kind.EMAIL}), Media.EMAIL, None),
        Scope(frozenset({Kind.PHONE}), Media.SMS, (1,)),
    )
    for body, databases in (
        ({"media": ["voice"]}, 1),
        ({"media": ["sms"]}, 2),
        ({"media": ["voice"]}, 2),  # the whole state is told, and sms is part of it
        ({"media": ["sms"], "brand": "sauerkraut"}, 1),
        ({"identifiers": [PHONE, EMAIL], "media": ["email"]}, 3),
    ):
        receipt = await objected(desk, **body)
        assert receipt["propagation"]["databases"] == databases, body
        shown = (await desk.get(f"/v1/opt-outs/{receipt['id']}")).json()
        assert shown["propagation"] == receipt["propagation"]


async def test_propagation_tells_each_database_and_the_time_until_all_are_silent(
    desk: httpx.AsyncClient, database: Database
) -> None:
    whole = Scope(frozenset(Kind), EVERY_MEDIUM, None)
    await followed_by(database, whole, whole)
    receipt = await objected(desk)
    path = f"/v1/opt-outs/{receipt['id']}/propagation"
    pending = (await desk.get(path)).json()
    assert [hop.pop("lag_seconds") >= 0 for hop in pending["databases"]] == [True, True]
    hop = {
        "database": "crm-1",
        "party": "p",
        "status": "pending",
        "acknowledged_at": None,
        "outcome": None,
    }
    assert pending == {
        "position": 1,
        "databases": [hop, hop | {"database": "crm-2"}],
        "time_to_silence_seconds": None,
    }
    async with database.transaction() as session:
        for number in (1, 2):
            await acknowledge(session, number, 1, now() + timedelta(seconds=number))
    done = (await desk.get(path)).json()
    lags = [hop["lag_seconds"] for hop in done["databases"]]
    assert [hop["status"] for hop in done["databases"]] == ["acknowledged"] * 2
    assert 2 < done["time_to_silence_seconds"] == max(lags) < 10
    shown = (await desk.get(f"/v1/opt-outs/{receipt['id']}")).json()
    assert shown["propagation"] == {"databases": 2, "acknowledged": 2}


async def test_the_receipt_shows_the_state_as_of_now(desk: httpx.AsyncClient) -> None:
    first = await objected(desk, media=["voice"], occurred_at=MONDAY)
    await objected(desk, media=["sms"], occurred_at=TUESDAY)
    await objected(desk, media=["post"], brand="choucroute")
    shown = (await desk.get(f"/v1/opt-outs/{first['id']}")).json()
    assert shown == first | {
        "suppressions": [first["suppressions"][0] | {"media": ["voice", "sms"], "version": 2}]
    }


@pytest.mark.parametrize("path", ["/v1/opt-outs/{}", "/v1/opt-outs/{}/propagation"])
async def test_an_opt_out_that_is_not_there_is_404(desk: httpx.AsyncClient, path: str) -> None:
    answer = await desk.get(path.format(uuid4()))
    assert problem(answer) == {
        "type": "/problems/not-found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "There is no such opt-out.",
    }
    void = await desk.post(f"/v1/opt-outs/{uuid4()}/void", json={"reason": "x"})
    assert void.status_code == 404


# --- refusals


@pytest.mark.parametrize(
    ("change", "type_", "pointer"),
    [
        ({"brand": "nobody"}, "unknown-brand", "/brand"),
        ({"channel": "nobody"}, "unknown-channel", "/channel"),
        ({"channel": None}, "invalid-request", "/channel"),
        ({"identifiers": [PHONE, {"kind": "phone", "value": "12"}]}, "unusable-identifier", 1),
        ({"identifiers": [{"kind": "siren", "value": "123456789"}]}, "unusable-identifier", 0),
        ({"identifiers": [{"kind": "customer", "value": "x"}]}, "unusable-identifier", 0),
        ({"identifiers": []}, "invalid-request", "/identifiers"),
        ({"identifiers": [PHONE] * 21}, "invalid-request", "/identifiers"),
        ({"media": []}, "invalid-request", "/media"),
        ({"media": ["fax"]}, "invalid-request", "/media"),
        ({"reason": "boredom"}, "invalid-request", "/reason"),
        ({"unknown": 1}, "invalid-request", "/unknown"),
        ({"occurred_at": "2026-03-02T09:00:00"}, "invalid-request", "/occurred_at"),
    ],
    ids=str,
)
async def test_what_is_refused_is_422_and_nothing_is_recorded(
    desk: httpx.AsyncClient,
    database: Database,
    change: dict[str, Any],
    type_: str,
    pointer: str | int,
) -> None:
    answer = await post(desk, "/v1/opt-outs", FULL | change)
    assert answer.status_code == 422
    told = problem(answer)
    assert told["type"] == f"/problems/{type_}"
    expected = f"/identifiers/{pointer}/value" if isinstance(pointer, int) else pointer
    assert [error["pointer"] for error in told["errors"]] == [expected]
    for table in ("opt_outs", "contact_points", "journal_entries"):
        assert await count(database, table) == 0


@pytest.mark.parametrize("path", ["/v1/opt-outs", "/v1/reinstatements"])
async def test_a_time_more_than_five_minutes_ahead_is_422(
    desk: httpx.AsyncClient, path: str
) -> None:
    body: dict[str, Any] = {"channel": "dakar"}
    body |= {"identifiers": [PHONE]} if "opt" in path else {"identifier": PHONE, "evidence": LETTER}
    near, far = (wire_time(now() + timedelta(minutes=minutes)) for minutes in (4, 6))
    answer = await post(desk, path, body | {"occurred_at": far})
    assert problem(answer) == {
        "type": "/problems/in-the-future",
        "title": "That time has not come yet",
        "status": 422,
        "detail": "The time lies more than 5 minutes ahead of the registry's clock.",
        "errors": [{"pointer": "/occurred_at", "detail": "lies in the future"}],
    }
    assert (await post(desk, path, body | {"occurred_at": near})).status_code == 201


@pytest.mark.parametrize("missing", ["evidence", "identifier", "occurred_at", "channel"])
async def test_a_reinstatement_needs_its_proof_and_all_the_rest(
    desk: httpx.AsyncClient, missing: str
) -> None:
    await objected(desk, occurred_at=MONDAY)
    body = {"identifier": PHONE, "channel": "dakar", "evidence": LETTER, "occurred_at": TUESDAY}
    body.pop(missing)
    answer = await post(desk, "/v1/reinstatements", body)
    assert [error["pointer"] for error in problem(answer)["errors"]] == [f"/{missing}"]
    assert await decided(desk) == "block"


# --- lists and search


async def test_a_list_filters_by_channel_reason_brand_and_times_and_names_nobody(
    desk: httpx.AsyncClient,
) -> None:
    first = await objected(desk, brand="choucroute", reason="refusal")
    second = await objected(desk, channel="web")
    third = await objected(desk, brand="sauerkraut", occurred_at=MONDAY)

    async def ids(**query: str) -> list[str]:
        answer = await desk.get("/v1/opt-outs", params=query)
        assert answer.status_code == 200, answer.text
        assert "masked" not in answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert await ids() == [third["id"], second["id"], first["id"]]
    assert await ids(channel="web") == [second["id"]]
    assert await ids(reason="refusal") == [first["id"]]
    assert await ids(brand="sauerkraut") == [third["id"]]
    assert await ids(since=second["recorded_at"]) == [third["id"], second["id"]]
    assert await ids(until=second["recorded_at"]) == [first["id"]]
    assert await ids(channel="dakar", brand="choucroute", reason="refusal") == [first["id"]]
    page = (await desk.get("/v1/opt-outs", params={"limit": 2})).json()
    assert [item["id"] for item in page["items"]] == [third["id"], second["id"]]
    assert await ids(cursor=page["next_cursor"]) == [first["id"]]
    (item,) = (await desk.get("/v1/opt-outs", params={"channel": "web"})).json()["items"]
    kept = ("id", "recorded_at", "occurred_at", "channel", "reason", "media", "brand")
    assert item == {name: second[name] for name in kept} | {"voided_at": None}
    for name in ("channel", "brand"):
        told = problem(await desk.get("/v1/opt-outs", params={name: "x"}))
        assert told["type"] == f"/problems/unknown-{name}"
        assert told["errors"] == [{"pointer": f"/query/{name}", "detail": "is not registered"}]


async def test_a_search_tells_state_and_history_and_nothing_of_whom_it_never_heard(
    desk: httpx.AsyncClient, database: Database
) -> None:
    receipt = await objected(desk, media=["sms"], occurred_at=MONDAY, reason="stop_keyword")
    found = await searched(desk, {"kind": "phone", "value": "+33 6 39 98 00 01"})
    (act,) = found["history"]
    assert act["recorded_at"] == receipt["recorded_at"]
    assert found == {
        "identifier": PHONE_MASKED,
        "suppressions": [
            {"brand": None, "media": ["sms"], "since": MONDAY, "version": 1, "position": 1}
        ],
        "history": [
            {
                "type": "opt_out",
                "id": receipt["id"],
                "line": None,
                "occurred_at": MONDAY,
                "recorded_at": receipt["recorded_at"],
                "channel": "dakar",
                "reason": "stop_keyword",
                "brand": None,
                "media": ["sms"],
                "standing": ["sms"],
                "voided_at": None,
            }
        ],
    }
    assert await searched(desk, EMAIL) == {
        "identifier": EMAIL_MASKED,
        "suppressions": [],
        "history": [],
    }
    assert await count(database, "contact_points") == 1, "a question leaves no trace"


# --- keys bound to a channel


async def test_a_key_bound_to_a_channel_writes_and_reads_as_that_channel_only(
    desk: httpx.AsyncClient, caller: Caller
) -> None:
    theirs = await objected(desk, channel="web", media=["voice"])
    bound = await caller("opt-outs:write", "opt-outs:read", "reinstatements:write", channel="dakar")
    body = {"identifiers": [PHONE], "media": ["sms"]}
    mine = (await post(bound, "/v1/opt-outs", body)).json()
    assert mine["channel"] == "dakar"
    assert mine["suppressions"][0]["media"] == ["voice", "sms"]
    assert (await post(bound, "/v1/opt-outs", body | {"channel": "dakar"})).status_code == 201
    for answer in (
        await post(bound, "/v1/opt-outs", body | {"channel": "web"}),
        await reinstated(bound, channel="web", occurred_at=wire_time(now())),
        await bound.get("/v1/opt-outs", params={"channel": "web"}),
    ):
        assert answer.status_code == 403
        assert problem(answer)["type"] == "/problems/forbidden"
    assert (await bound.get(f"/v1/opt-outs/{theirs['id']}")).status_code == 404
    assert (await bound.get(f"/v1/opt-outs/{theirs['id']}/propagation")).status_code == 404
    assert (await bound.get(f"/v1/opt-outs/{mine['id']}")).status_code == 200
    listed = (await bound.get("/v1/opt-outs")).json()["items"]
    assert {item["channel"] for item in listed} == {"dakar"}
    found = await searched(bound)
    assert found["suppressions"][0]["media"] == ["voice", "sms"], "the state is everybody's"
    assert {act["channel"] for act in found["history"]} == {"dakar"}
