"""Consents, contracts, attempts and profiles over the wire."""

import hashlib
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.conftest import Caller
from tests.desk import PHONE, PHONE_MASKED, count, drop, objected, post, register, reinstated
from tests.test_parties import PARTY, made, problem

WORDING = "May the brand call you about home insurance, for a year at most?"
SHA256 = hashlib.sha256(WORDING.encode()).hexdigest()
CONSENT: dict[str, Any] = {
    "identifier": PHONE,
    "brand": "sauerkraut",
    "object": "  Home   Insurance ",
    "medium": "voice",
    "given_at": "2026-03-01T10:00:00+01:00",
    "wording": {"text": WORDING, "version": "2026-02", "sha256": SHA256},
    "mentions": ["who", "what", "period", "withdrawal", "copy"],
    "positive_act": "ticked_box",
    "source": {"kind": "form", "reference": "form-7"},
    "collected_by": "sahel-calls",
    "slots": [{"from_at": "2026-03-02T18:00:00+01:00", "to_at": "2026-03-02T19:00:00+01:00"}],
    "evidence": {"kind": "form_record", "reference": "row 17", "sha256": "ab" * 32},
    "technical": {"ip": "192.0.2.7", "url": "https://example.com/form"},
}
SUPPLIED = {"kind": "supplier", "supplier": "sahel-calls", "lot": "2026-17"}
CONTRACT = {
    "identifier": PHONE,
    "brand": "sauerkraut",
    "object": "home insurance",
    "from_on": "2026-01-01",
}
ATTEMPT: dict[str, Any] = {"identifier": PHONE, "medium": "voice", "attempted_at": wire_time(now())}
PROFILE = {
    "identifier": PHONE,
    "audience": "professional",
    "evidence": {"kind": "register", "reference": "RCS 1", "checked_on": "2026-10-01"},
    "country": "GP",
    "time_zone": "America/Guadeloupe",
    "sole_trader": True,
    "fits": ["Bakery ovens"],
}


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


async def consented(client: httpx.AsyncClient, **said: object) -> dict[str, Any]:
    """Record a consent that must be taken."""
    answer: dict[str, Any] = (await made(client, "/v1/consents", CONSENT | said)).json()
    return answer


async def test_a_consent_is_answered_with_all_that_its_record_holds(
    desk: httpx.AsyncClient,
) -> None:
    answer = await post(desk, "/v1/consents", CONSENT)
    assert answer.status_code == 201, answer.text
    taken = answer.json()
    assert answer.headers["location"] == f"/v1/consents/{taken['id']}"
    shown = drop(taken, "id", "recorded_at")
    assert shown == {
        "identifier": PHONE_MASKED,
        "brand": "sauerkraut",
        "object": "home insurance",
        "medium": "voice",
        "given_at": "2026-03-01T09:00:00.000000Z",
        "given_at_local": "2026-03-01T10:00:00+01:00",
        "expires_at": None,
        "valid_until": "2027-03-01T09:00:00.000000Z",
        "withdrawn_at": None,
        "state": "valid",
        "lacks": [],
        "objection_stands": False,
        "wording": {"version": "2026-02", "sha256": SHA256, "text": WORDING},
        "mentions": CONSENT["mentions"],
        "positive_act": "ticked_box",
        "source": {"kind": "form", "reference": "form-7", "supplier": None, "lot": None},
        "collected_by": "sahel-calls",
        "called_by": None,
        "slots": [
            {"from_at": "2026-03-02T17:00:00.000000Z", "to_at": "2026-03-02T18:00:00.000000Z"}
        ],
        "evidence": CONSENT["evidence"],
        "technical": CONSENT["technical"] | {"user_agent": None, "transaction": None},
        "evidence_until": "2029-03-01T09:00:00.000000Z",
        "evidence_destroyed": False,
        "copies": [],
    }
    one = (await desk.get(answer.headers["location"])).json()
    assert one == {name: value for name, value in taken.items() if name != "identifier"}
    found = await post(desk, "/v1/consents/search", {"identifier": PHONE})
    assert found.json() == {"identifier": PHONE_MASKED, "consents": [one]}
    assert (await desk.get("/v1/consents?brand=sauerkraut")).json()["items"] == [one]
    assert (await desk.get("/v1/consents?brand=choucroute")).json()["items"] == []


@pytest.mark.parametrize(
    ("said", "state", "lacks"),
    [
        ({"mentions": ["who", "what"]}, "incomplete_proof",
         ["mention_period", "mention_withdrawal", "mention_copy"]),
        ({"positive_act": "pre_ticked_box"}, "incomplete_proof", ["positive_act"]),
        ({"source": SUPPLIED, "evidence": {"kind": "template", "reference": "form"}},
         "incomplete_proof", ["own_proof"]),
        ({"source": SUPPLIED, "evidence": None, "technical": None},
         "third_party_unproven", ["own_proof"]),
        ({"source": SUPPLIED}, "valid", []),
        ({"expires_at": "2026-04-01T00:00:00Z"}, "expired", []),
        ({"medium": "email", "mentions": ["who", "what", "withdrawal"]}, "valid", []),
    ],
)  # fmt: skip
async def test_what_a_consent_is_worth_follows_from_its_proof(
    desk: httpx.AsyncClient, said: dict[str, Any], state: str, lacks: list[str]
) -> None:
    taken = await consented(desk, **said)
    assert (taken["state"], taken["lacks"]) == (state, lacks)


SOON = wire_time(now() + timedelta(hours=1))
BAD: dict[str, tuple[dict[str, Any], str | None]] = {
    "in the future": ({"given_at": SOON}, "/given_at"),
    "without an offset": ({"given_at": "2026-03-01T10:00:00"}, "/given_at"),
    "ends before it starts": ({"expires_at": "2026-03-01T08:59:00Z"}, "/expires_at"),
    "no wording": ({"wording": None}, "/wording"),
    "wording left out": ({"wording": {"version": "1"}}, "/wording"),
    "an unknown wording": ({"wording": {"version": "1", "sha256": "ab" * 32}}, "/wording"),
    "another's digest": ({"wording": {"text": "x", "version": "1", "sha256": SHA256}}, "/wording"),
    "an unknown brand": ({"brand": "nobody"}, "/brand"),
    "an unknown party": ({"called_by": "nobody"}, "/called_by"),
    "no supplier": ({"source": {"kind": "supplier"}}, "/source"),
    "a reversed slot": ({"slots": [{"from_at": SOON, "to_at": SOON}]}, "/slots/0"),
    "an unusable number": ({"identifier": {"kind": "phone", "value": "7"}}, "/identifier/value"),
    "NUL": ({"object": "a\0"}, "/object"),
    "an unknown field": ({"sure": True}, "/sure"),
    "a true for a word": ({"mentions": [True]}, "/mentions/0"),
}


@pytest.mark.parametrize("said", BAD)
async def test_a_consent_that_is_no_good_is_422_and_not_kept(
    desk: httpx.AsyncClient, database: Database, said: str
) -> None:
    body, pointer = BAD[said]
    answer = await post(desk, "/v1/consents", CONSENT | body)
    assert answer.status_code == 422, answer.text
    told = problem(answer)
    assert [error["pointer"] for error in told.get("errors", [])] == ([pointer] if pointer else [])
    assert await count(database, "consents") == 0


async def test_the_same_consent_twice_is_one_with_or_without_a_key(
    desk: httpx.AsyncClient, database: Database
) -> None:
    first = await consented(desk)
    assert await consented(desk) == first
    for _ in range(2):
        again = await post(desk, "/v1/consents", CONSENT, Idempotency_Key="k")
        assert again.json() == first
    assert again.headers["idempotent-replayed"] == "true"
    assert await count(database, "consents") == 1


async def test_a_consent_lifts_no_objection_and_its_answer_says_so(desk: httpx.AsyncClient) -> None:
    await objected(desk)
    taken = await consented(desk)
    assert (taken["state"], taken["objection_stands"]) == ("valid", True)
    await reinstated(desk, occurred_at=wire_time(now()))
    one = (await desk.get(f"/v1/consents/{taken['id']}")).json()
    assert (one["state"], one["objection_stands"]) == ("valid", False)


async def test_a_withdrawal_arrives_as_an_opt_out_and_stands_at_the_consent(
    desk: httpx.AsyncClient,
) -> None:
    taken = await consented(desk)
    other = await consented(desk, brand="choucroute")
    withdrawn = await objected(
        desk, reason="consent_withdrawn", brand="sauerkraut", media=["voice"]
    )
    one = (await desk.get(f"/v1/consents/{taken['id']}")).json()
    assert (one["state"], one["withdrawn_at"], one["objection_stands"]) == (
        "withdrawn",
        withdrawn["occurred_at"],
        True,
    )
    other_one = (await desk.get(f"/v1/consents/{other['id']}")).json()
    assert (other_one["state"], other_one["objection_stands"]) == ("valid", False)


async def test_a_batch_keeps_what_is_good_and_tells_of_every_line(desk: httpx.AsyncClient) -> None:
    await objected(desk, identifiers=[{"kind": "phone", "value": "06 39 98 00 02"}])
    by_digest = {"version": "2026-02", "sha256": SHA256}

    def line(number: int, **said: object) -> dict[str, Any]:
        person = {"kind": "phone", "value": f"06 39 98 00 {number:02}"}
        return CONSENT | {"identifier": person, "wording": by_digest} | said

    items = [
        line(1, wording=CONSENT["wording"]),
        line(2, mentions=[]),
        line(1),
        line(3, given_at=SOON),
        line(4, brand="nobody"),
        line(5, identifier={"kind": "phone", "value": "5"}),
        line(6, wording={"version": "other", "sha256": SHA256}),
    ]
    answer = (await post(desk, "/v1/consents/batch", {"items": items})).json()
    assert answer["counts"] == {"recorded": 2, "unchanged": 1, "refused": 4}
    assert answer["objections"] == 1
    seen = [
        (one["status"], one["code"], one["complete"], one["objection_stands"])
        for one in answer["results"]
    ]
    assert seen == [
        ("recorded", None, True, False),
        ("recorded", None, False, True),
        ("unchanged", None, True, False),
        ("refused", "in_the_future", None, None),
        ("refused", "unknown_brand", None, None),
        ("refused", "unusable_identifier", None, None),
        ("refused", "unknown_wording", None, None),
    ]


async def test_a_bound_key_sees_what_its_channel_recorded(
    desk: httpx.AsyncClient, caller: Caller
) -> None:
    writer = await caller("contacts:write", channel="dakar")
    reader = await caller("contacts:read", channel="dakar")
    theirs = await consented(writer)
    ours = await consented(desk, brand="choucroute")
    found = await post(reader, "/v1/consents/search", {"identifier": PHONE})
    assert [one["id"] for one in found.json()["consents"]] == [theirs["id"]]
    assert (await reader.get(f"/v1/consents/{ours['id']}")).status_code == 404


async def test_a_contract_is_kept_once_and_may_tell_its_end(desk: httpx.AsyncClient) -> None:
    taken = (await made(desk, "/v1/contracts", CONTRACT | {"reference": "C-17"})).json()
    assert drop(taken, "id", "recorded_at") == {
        "identifier": PHONE_MASKED,
        "brand": "sauerkraut",
        "object": "home insurance",
        "from_on": "2026-01-01",
        "to_on": None,
        "opt_out_offered": False,
        "reference": "C-17",
    }
    ended = (await made(desk, "/v1/contracts", CONTRACT | {"to_on": "2026-06-01"})).json()
    assert ended == taken | {"to_on": "2026-06-01"}
    found = (await post(desk, "/v1/contracts/search", {"identifier": PHONE})).json()
    assert [one["to_on"] for one in found["contracts"]] == ["2026-06-01"]
    lines = [CONTRACT | {"to_on": "2026-06-01"}, CONTRACT | {"from_on": "2026-07-01"}]
    lines.append(CONTRACT | {"to_on": "2025-12-31"})
    batch = (await post(desk, "/v1/contracts/batch", {"items": lines})).json()
    assert batch["counts"] == {"recorded": 1, "unchanged": 1, "refused": 1}
    assert batch["results"][2]["code"] == "ends_before_it_starts"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/contracts", CONTRACT | {"to_on": "2026-01-01"}, "/to_on"),
        ("/v1/contracts", CONTRACT | {"from_on": "2026-02-30"}, "/from_on"),
        ("/v1/contracts", CONTRACT | {"from_on": 20260101}, "/from_on"),
        ("/v1/attempts", ATTEMPT | {"attempted_at": "2025-11-01T10:00:00Z"}, "/attempted_at"),
        ("/v1/attempts", ATTEMPT | {"attempted_at": SOON}, "/attempted_at"),
        ("/v1/attempts", ATTEMPT | {"outcome": "refused"}, "/outcome"),
        ("/v1/profiles", PROFILE | {"time_zone": "Europe/Atlantis"}, "/time_zone"),
        ("/v1/profiles", PROFILE | {"time_zone": "../../etc/passwd"}, "/time_zone"),
        ("/v1/profiles", PROFILE | {"evidence": None}, "/evidence"),
        ("/v1/profiles", PROFILE | {"audience": "consumer"}, ""),
    ],
)
async def test_what_cannot_be_is_422_and_says_where(
    desk: httpx.AsyncClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = await post(desk, path, body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in problem(answer)["errors"]] == [pointer]


async def test_an_attempt_counts_once_however_often_it_is_told(desk: httpx.AsyncClient) -> None:
    first = (await made(desk, "/v1/attempts", ATTEMPT | {"party": PARTY["slug"]})).json()
    again = (await made(desk, "/v1/attempts", ATTEMPT)).json()
    assert (first["fresh"], again["fresh"]) == (True, False)
    batch = (await post(desk, "/v1/attempts/batch", {"items": [ATTEMPT] * 3})).json()
    assert batch["counts"] == {"recorded": 0, "unchanged": 3, "refused": 0}
    found = (await post(desk, "/v1/attempts/search", {"identifier": PHONE})).json()
    assert found == {
        "identifier": PHONE_MASKED,
        "attempts": [
            {
                "medium": "voice",
                "attempted_at": ATTEMPT["attempted_at"],
                "brand": None,
                "outcome": "unanswered",
                "party": "sahel-calls",
            }
        ],
    }


async def test_a_profile_takes_the_place_of_the_one_before(desk: httpx.AsyncClient) -> None:
    search = {"identifier": PHONE}
    assert (await post(desk, "/v1/profiles/search", search)).json()["profile"] is None
    taken = (await made(desk, "/v1/profiles", PROFILE)).json()
    assert drop(taken, "recorded_at") == PROFILE | {
        "identifier": PHONE_MASKED,
        "fits": ["bakery ovens"],
    }
    await made(desk, "/v1/profiles", {"identifier": PHONE, "country": "FR"})
    now_known = (await post(desk, "/v1/profiles/search", search)).json()["profile"]
    assert drop(now_known, "recorded_at") == {
        "audience": "unknown",
        "evidence": None,
        "country": "FR",
        "time_zone": None,
        "sole_trader": None,
        "fits": [],
    }
    items = [PROFILE, PROFILE | {"time_zone": "Mars/Olympus"}]
    batch = (await post(desk, "/v1/profiles/batch", {"items": items})).json()
    assert batch["counts"] == {"recorded": 1, "unchanged": 0, "refused": 1}


@pytest.mark.parametrize(
    ("items", "pointers"),
    [
        ([], ["/items"]),
        ([ATTEMPT] * 10_001, ["/items"]),
        ("x", ["/items"]),
        ([ATTEMPT, 7], ["/items/1"]),
        ([ATTEMPT, ATTEMPT | {"medium": "fax"}], ["/items/1/medium"]),
        ([{"sure": True}] * 30, None),
    ],
)
async def test_a_batch_of_another_shape_is_refused_whole_and_says_where(
    desk: httpx.AsyncClient, database: Database, items: object, pointers: list[str] | None
) -> None:
    answer = await post(desk, "/v1/attempts/batch", {"items": items})
    assert answer.status_code == 422
    told = [error["pointer"] for error in problem(answer)["errors"]]
    assert told == pointers if pointers else len(told) == 50
    assert await count(database, "contact_attempts") == 0
