"""What anybody may send to intake and checks: refused or kept, never a fault, never repeated."""

from typing import Any

import httpx
import pytest

from tests.desk import EMAIL, FULL, LETTER, MONDAY, PHONE, register
from tests.test_parties import problem
from tests.test_parties_hostile import (
    KEPT,
    NO_BODY,
    NO_NAME,
    NO_OBJECT,
    NO_QUERY,
    NO_TEXT,
    NO_TIME,
    NO_WORD,
    put,
    send,
)

ITEM = {"ref": "a", "phone": PHONE["value"]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/opt-outs": FULL,
    "/v1/suppressions/search": {"identifier": PHONE | {"region": "FR"}},
    "/v1/reinstatements": {
        "identifier": PHONE | {"region": "FR"},
        "media": ["voice"],
        "brand": "choucroute",
        "occurred_at": MONDAY,
        "channel": "dakar",
        "evidence": LETTER | {"sha256": "ab" * 32},
    },
    "/v1/erasures": {"identifiers": [PHONE], "reference": "r"},
    "/v1/checks": {
        "phone": PHONE["value"],
        "email": EMAIL["value"],
        "siren": "732829320",
        "customer": "crm:1",
        "medium": "voice",
        "brand": "choucroute",
        "region": "FR",
    },
    "/v1/checks/batch": {
        "items": [ITEM],
        "medium": "voice",
        "brand": "choucroute",
        "region": "FR",
    },
}

DEEP = "[" * 10_000 + "]" * 10_000
NOT_NULL = [value for value in NO_NAME if value is not None]
WORDS = [value for value in NO_WORD if value is not None]
NO_KIND = [*NO_WORD, "PHONE", "fax"]
NO_VALUE = [*NO_NAME, "x" * 401]
NO_REGION = [*WORDS, "F", "fr", "FRA", "\uff26\uff32"]
NO_MEDIA = ["voice", {}, [], [None], [["voice"]], [1], ["VOICE"], ["voice"] * 6, ["\0"], True, 31]
NO_SHA = [*WORDS, "AB" * 32, "ab" * 31, "ab" * 33, "\u0660" * 64]
NO_EVIDENCE = [*NO_OBJECT, LETTER | {"more": 1}]
NO_INSTANT = [
    *(value for value in NO_TIME if value != "2020-01-01T00:00:00Z"),
    "2026-01-01T00:00:60Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00+99:99",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z",
    "\u0662\u0660\u0662\u0666-01-01T00:00:00Z",
    "2026-01-01 00:00:00Z",
    "infinity",
    1767225600,
]
NO_LIST = ["x", 0, True, {}, [1], ["x"], [[]], [None]]


def evidence(path: str) -> dict[str, list[Any]]:
    """List the hostile values of a proof."""
    return {
        f"{path} evidence": NO_EVIDENCE,
        f"{path} evidence/kind": NO_KIND,
        f"{path} evidence/reference": [*NO_NAME, "x" * 501],
        f"{path} evidence/sha256": NO_SHA,
    }


def identifier(path: str) -> dict[str, list[Any]]:
    """List the hostile values of a contact point."""
    return {
        f"{path} identifier": [*NO_OBJECT, None],
        f"{path} identifier/kind": NO_KIND,
        f"{path} identifier/value": NO_VALUE,
        f"{path} identifier/region": NO_REGION,
    }


FIELDS: dict[str, list[Any]] = {
    "/v1/opt-outs identifiers": [*NO_LIST, None, [], [PHONE] * 21, [PHONE | {"more": 1}]],
    "/v1/opt-outs media": NO_MEDIA,
    "/v1/opt-outs brand": WORDS,
    "/v1/opt-outs reason": [*NO_WORD, "OBJECTION"],
    "/v1/opt-outs occurred_at": NO_INSTANT,
    "/v1/opt-outs channel": WORDS,
    "/v1/opt-outs recorded_by": [*NOT_NULL, "x" * 121],
    "/v1/opt-outs reference": [*NOT_NULL, "x" * 201],
    **evidence("/v1/opt-outs"),
    **identifier("/v1/suppressions/search"),
    **identifier("/v1/reinstatements"),
    "/v1/reinstatements media": NO_MEDIA,
    "/v1/reinstatements brand": WORDS,
    "/v1/reinstatements occurred_at": [*NO_INSTANT, None],
    "/v1/reinstatements channel": WORDS,
    **evidence("/v1/reinstatements"),
    "/v1/erasures identifiers": [*NO_LIST, None, [], [PHONE] * 21],
    "/v1/erasures reference": [*NOT_NULL, "x" * 201],
    **{
        f"/v1/checks {kind}": [*NOT_NULL, "x" * 401]
        for kind in ("phone", "email", "siren", "customer")
    },
    "/v1/checks medium": [*NO_WORD, "VOICE", "fax", ["voice"]],
    "/v1/checks brand": WORDS,
    "/v1/checks region": NO_REGION,
    "/v1/checks/batch items": [
        *NO_LIST,
        None,
        [{}],
        [{"phone": "1", "email": "a@example.com"}],
        [{"phone": "1", "more": 1}],
        [{"phone": "1"}] * 10_001,
        [{"phone": 33639980001}],
        [{"phone": "a\0b"}],
        [{"phone": "1", "ref": "x" * 201}],
    ],
    "/v1/checks/batch medium": [*NO_WORD, "VOICE", "fax"],
    "/v1/checks/batch brand": WORDS,
    "/v1/checks/batch region": NO_REGION,
}


@pytest.fixture
async def desk(admin: httpx.AsyncClient) -> httpx.AsyncClient:
    """Talk to a registry where brands and channels are known."""
    await register(admin)
    return admin


def test_every_field_has_its_hostile_values() -> None:
    nested = {"identifier", "evidence"}
    places = {
        f"{path} {name}" + (f"/{inner}" if inner else "")
        for path, body in BODIES.items()
        for name, value in body.items()
        for inner in ["", *(value if name in nested else ())]
    }
    assert places == set(FIELDS)


@pytest.mark.parametrize("path", BODIES)
async def test_the_bodies_are_good_before_they_are_spoilt(
    desk: httpx.AsyncClient, path: str
) -> None:
    assert (await send(desk, "POST", path, BODIES[path])).status_code in (200, 201)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_hostile_value_is_422_and_is_not_repeated(
    desk: httpx.AsyncClient, field: str
) -> None:
    path, place = field.split()
    for value in FIELDS[field]:
        answer = await send(desk, "POST", path, put(BODIES[path], place.split("/"), value))
        told = (repr(value)[:60], answer.text[:500])
        # A megabyte in one field is more than the limit of a whole body.
        assert answer.status_code == 422 or (
            len(repr(value)) > 900_000 and answer.status_code == 413
        ), told
        pointers = [error["pointer"] for error in problem(answer).get("errors", ())]
        assert all(not pointer or pointer.startswith(f"/{place}") for pointer in pointers), told
        assert len(answer.content) < 20_000, told
    assert (await desk.get("/v1/opt-outs")).json()["items"] == []


@pytest.mark.parametrize("path", BODIES)
async def test_whatever_is_no_body_is_422(desk: httpx.AsyncClient, path: str) -> None:
    first = next(iter(BODIES[path]))
    for body in [
        *NO_BODY,
        f'{{"{first}": {DEEP}}}'.encode(),
        f'{{"{first}": {"9" * 5_000}}}'.encode(),
    ]:
        answer = await send(desk, "POST", path, body)
        assert answer.status_code == 422, (body[:40], answer.text)


async def test_free_text_is_kept_as_it_is(desk: httpx.AsyncClient) -> None:
    for number, words in enumerate(KEPT):
        body = {
            "identifiers": [PHONE],
            "channel": "dakar",
            "recorded_by": words[:120],
            "reference": f"{number}{words}",
            "evidence": {"kind": "other", "reference": words},
        }
        first = await send(desk, "POST", "/v1/opt-outs", body)
        assert first.status_code == 201, (words, first.text)
        again = await send(desk, "POST", "/v1/opt-outs", body)
        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        act = {"identifier": PHONE, "channel": "dakar", "evidence": body["evidence"]}
        act["occurred_at"] = MONDAY
        assert (await send(desk, "POST", "/v1/reinstatements", act)).status_code == 409
        void = await send(
            desk, "POST", f"/v1/opt-outs/{first.json()['id']}/void", {"reason": words}
        )
        assert void.status_code == 200


STRANGE = [
    *KEPT,
    *(str(value) for value in NO_TEXT if len(str(value)) <= 400),
    "' OR 1=1 --",
    "\u202e10 00 89 93 60",
    "\uff10\uff16\uff13\uff19\uff19\uff18\uff10\uff10\uff10\uff11",
    "\u0660\u0666\u0663\u0669\u0669\u0668\u0660\u0660\u0660\u0661",
    "+" * 400,
    "0" * 400,
    "@" * 300,
    "a@" + "b." * 150 + "com",
    "a@xn--" + "z" * 60,
    "a@[127.0.0.1]",
    "\u0130@\u0130.example",
    ":",
    "a:" + "\U0001f951" * 199,
    "\ud7ff\ue000\ufffe\uffff",
    "+33639980001;ext=" + "9" * 300,
]


@pytest.mark.parametrize("kind", ["phone", "email", "siren", "customer"])
async def test_any_text_as_a_contact_point_is_recorded_or_unusable_and_checks_agree(
    desk: httpx.AsyncClient, kind: str
) -> None:
    lines = []
    for value in STRANGE:
        body = {"identifiers": [{"kind": kind, "value": value}], "channel": "dakar"}
        answer = await send(desk, "POST", "/v1/opt-outs", body)
        assert answer.status_code in (201, 422), (value, answer.text)
        usable = answer.status_code == 201
        if not usable:
            assert problem(answer)["type"] == "/problems/unusable-identifier"
            assert len(value) < 5 or value not in answer.text
        one = await send(desk, "POST", "/v1/checks", {kind: value, "medium": "post"})
        assert one.status_code == (200 if usable else 422), (value, one.text)
        lines.append({kind: value})
    batch = await send(desk, "POST", "/v1/checks/batch", {"items": lines, "medium": "post"})
    assert {result["decision"] for result in batch.json()["results"]} == {"block"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("0001-01-01T00:00:00.000001Z", "0001-01-01T00:00:00.000001Z"),
        ("0001-01-02T00:00:00+14:00", "0001-01-01T10:00:00.000000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2024-02-29T23:59:59.9999999-12:00", "2024-03-01T11:59:59.999999Z"),
    ],
)
async def test_times_at_the_edges_are_kept_to_the_microsecond(
    desk: httpx.AsyncClient, said: str, kept: str
) -> None:
    body = {"identifiers": [PHONE], "channel": "dakar", "occurred_at": said}
    receipt = (await send(desk, "POST", "/v1/opt-outs", body)).json()
    assert (receipt["occurred_at"], receipt["suppressions"][0]["since"]) == (kept, kept)
    check = await send(desk, "POST", "/v1/checks", {"phone": PHONE["value"], "medium": "sms"})
    assert check.json()["reasons"][0]["since"] == kept


async def test_a_list_refuses_a_query_that_is_not_its_own(desk: httpx.AsyncClient) -> None:
    for query in [
        *NO_QUERY,
        "channel=UPPER",
        "channel=",
        "brand=%00",
        "reason=boredom",
        "since=yesterday",
        "until=2026-01-01T00:00:00",
        "until=9999-12-31T23:59:59-14:00",
    ]:
        answer = await desk.get(f"/v1/opt-outs?{query}")
        assert answer.status_code == 422, query
        (fault,) = problem(answer)["errors"]
        assert fault["pointer"] == f"/query/{query.split('=')[0]}"


@pytest.mark.parametrize(
    "path", ["/v1/opt-outs/{}", "/v1/opt-outs/{}/propagation", "/v1/erasures/{}"]
)
async def test_an_address_that_names_nothing_is_404_or_422(
    desk: httpx.AsyncClient, path: str
) -> None:
    for name in ("x", "%00", "0", "'--", "00000000-0000-0000-0000-000000000000", "x" * 300):
        answer = await desk.get(path.format(name))
        assert answer.status_code in (404, 422), (name, answer.text)
        problem(answer)
