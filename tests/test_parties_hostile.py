"""What anybody may send to the routes of those who take part: refused or kept, never a fault."""

import json
from typing import Any

import httpx
import pytest

from app.platform.pages import write_cursor
from tests.test_parties import CHANNEL, MAKES, PARTY, made, problem

KEY = {
    "name": "k",
    "scopes": ["checks"],
    "channel": None,
    "database": None,
    "expires_at": "2999-01-01T00:00:00Z",
    "requests_per_second": 1,
    "checks_per_day": 1,
}
BODIES: dict[str, dict[str, Any]] = MAKES | {"/v1/keys": KEY}

NO_TEXT = [0, 1.5, True, [], {}, ["a"], -(10**400)]
NO_NAME = [*NO_TEXT, None, "", "a\0b", "\ud800", "x" * 1_000_000]
NO_WORD = [*NO_NAME, "' OR 1=1 --", "<b>", "\u202e", "\u00c4", "Upper", "a b", "a\n", "x" * 65]
NO_OBJECT = ["x", 0, True, [], [{}], {}, {"unknown": 1}]
NO_DAY = [
    *NO_NAME,
    "2026-13-01",
    "2026-02-30",
    "0000-01-01",
    "99999-01-01",
    "1772323200",
    "20260131",
    "2026-W05-6",
]
NO_TIME = [
    *(value for value in NO_NAME if value is not None),
    "2999-01-01",
    "2999-01-01T00:00:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "2020-01-01T00:00:00Z",
    "2999-02-30T00:00:00Z",
]
NO_LIMIT = ["1", 0, -1, 1.5, True, [], 2**63, 10**400]
NO_OPTIONS = [
    "x",
    [],
    {"": 1},
    {"a\0": 1},
    {"a": "b\0"},
    {"a": "\ud800"},
    {"a": None},
    {"a": {"deeper": 1}},
    {"a": [["deeper"]]},
    {"a": -1},
    {"a": 2**63},
    {"a": 1.5},
    {"x" * 65: 1},
    {str(number): number for number in range(51)},
]
NO_SCOPES: list[Any] = [
    None,
    "checks",
    [],
    ["none"],
    ["CHECKS"],
    [0],
    [["checks"]],
    {},
    ["checks"] * 51,
]

FIELDS: dict[str, list[Any]] = {
    "/v1/brands slug": NO_WORD,
    "/v1/brands name": NO_NAME,
    "/v1/parties slug": NO_WORD,
    "/v1/parties name": NO_NAME,
    "/v1/parties kind": NO_WORD,
    "/v1/parties country": [*NO_WORD, "FRA", "fr"],
    "/v1/parties contact_email": NO_WORD,
    "/v1/parties contract": NO_OBJECT,
    "/v1/parties contract/reference": NO_NAME,
    "/v1/parties contract/signed_on": NO_DAY,
    "/v1/channels slug": NO_WORD,
    "/v1/channels name": NO_NAME,
    "/v1/channels kind": NO_WORD,
    "/v1/channels party": NO_WORD,
    "/v1/channels inbound": NO_OBJECT,
    "/v1/channels inbound/dialect": NO_WORD,
    "/v1/channels inbound/secret": [value for value in NO_NAME if value is not None],
    "/v1/channels inbound/options": NO_OPTIONS,
    "/v1/keys name": NO_NAME,
    "/v1/keys scopes": NO_SCOPES,
    "/v1/keys channel": [value for value in NO_WORD if value is not None],
    "/v1/keys database": [value for value in NO_WORD if value is not None],
    "/v1/keys expires_at": NO_TIME,
    "/v1/keys requests_per_second": NO_LIMIT,
    "/v1/keys checks_per_day": NO_LIMIT,
}
KEPT = [
    "'; DROP TABLE brands; --",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}%s%n",
    "\u202egnirts\u202c",
    "e\u0301 \u00e9",
    "\U0001f951",
    "\ufeff",
    "a\r\nX-Header: b",
    "x" * 120,
]
NO_BODY = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b'{"name": NaN}',
    b'\xef\xbb\xbf{"name": "k"}',
    b'{"name": "\xff"}',
    b'{"unknown": 1}',
    b"[" * 10_000 + b"]" * 10_000,
    b'{"name": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
]


def put(body: dict[str, Any], place: list[str], value: object) -> dict[str, Any]:
    """Copy a body with another value at one place."""
    first, *rest = place
    return body | {first: put(body[first], rest, value) if rest else value}


async def send(client: httpx.AsyncClient, method: str, path: str, body: object) -> httpx.Response:
    """Send any body that JSON can write, lone surrogates too."""
    return await client.request(
        method,
        path,
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )


def test_every_field_has_its_hostile_values() -> None:
    def places(body: dict[str, Any], above: str = "") -> set[str]:
        here = {above + name for name in body}
        for name in {"contract", "inbound"} & set(body):
            here |= places(body[name], f"{name}/")
        return here

    assert set(FIELDS) == {f"{path} {place}" for path in BODIES for place in places(BODIES[path])}


@pytest.mark.parametrize("field", FIELDS)
async def test_a_hostile_value_is_422_and_the_answer_points_at_it(
    admin: httpx.AsyncClient, field: str
) -> None:
    path, place = field.split()
    steps = place.split("/")
    for value in FIELDS[field]:
        answer = await send(admin, "POST", path, put(BODIES[path], steps, value))
        told = (repr(value)[:40], answer.text[:500])
        assert answer.status_code == 422, told
        pointers = [fault["pointer"] for fault in problem(answer)["errors"]]
        assert pointers, told
        # A lone surrogate is no JSON at all, so nothing can be pointed at.
        assert all(pointer.startswith(f"/{place}") for pointer in pointers if pointer), told
    assert (await admin.get(path)).json()["items"] in ([], [await only_key(admin)])


async def only_key(admin: httpx.AsyncClient) -> object:
    """Show the key that asks, which must be the only one."""
    (key,) = (await admin.get("/v1/keys")).json()["items"]
    return key


@pytest.mark.parametrize("path", BODIES)
async def test_whatever_is_no_body_is_422(admin: httpx.AsyncClient, path: str) -> None:
    await made(admin, "/v1/parties", PARTY)
    await made(admin, "/v1/brands", {"slug": "b", "name": "B"})
    await made(admin, "/v1/channels", CHANNEL)
    routes = [("POST", path)]
    if path != "/v1/keys":
        routes.append(("PATCH", f"{path}/{BODIES[path]['slug']}"))
    for method, where in routes:
        for body in NO_BODY:
            answer = await send(admin, method, where, body)
            assert answer.status_code == 422, (method, body[:40], answer.text)


@pytest.mark.parametrize("path", MAKES)
async def test_what_is_only_text_is_kept_as_it_is(admin: httpx.AsyncClient, path: str) -> None:
    if path == "/v1/channels":
        await made(admin, "/v1/parties", PARTY)
    for number, name in enumerate(KEPT):
        slug = f"n{number}"
        answer = await made(admin, path, MAKES[path] | {"slug": slug, "name": name})
        assert answer.json()["name"] == name
        where = answer.headers["location"]
        assert (await admin.patch(where, json={"name": "plain"})).json()["name"] == "plain"
        assert (await admin.patch(where, json={"name": name})).json()["name"] == name
        assert (await admin.get(where)).json()["name"] == name
        (act, *_) = (await admin.get("/v1/audit")).json()["items"]
        assert act["detail"] == {"name": ["plain", name]}
    listed = (await admin.get(path)).json()["items"]
    assert [item["name"] for item in listed] == KEPT


@pytest.mark.parametrize("path", MAKES)
async def test_a_change_refuses_null_where_nothing_may_be_missing(
    admin: httpx.AsyncClient, path: str
) -> None:
    await made(admin, "/v1/parties", PARTY)
    if path != "/v1/parties":
        await made(admin, path, MAKES[path])
    fixed = {"slug", "contract", "inbound"}
    for field in set(MAKES[path]) - fixed:
        answer = await admin.patch(f"{path}/{MAKES[path]['slug']}", json={field: None})
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in problem(answer)["errors"]] == [f"/{field}"]
    renamed = await admin.patch(f"{path}/{MAKES[path]['slug']}", json={"slug": "another"})
    assert [fault["pointer"] for fault in problem(renamed)["errors"]] == ["/slug"]


NO_QUERY = [
    "limit=0",
    "limit=501",
    "limit=-1",
    "limit=x",
    f"limit={10**30}",
    "limit=",
    "cursor=",
    "cursor=%00",
    "cursor=%FF",
    "cursor=bm90IGEgY3Vyc29y",
    f"cursor={write_cursor('text', 1)}",
    f"cursor={write_cursor('not-a-uuid')}",
    "cursor=" + "x" * 2_000,
    "unknown=1",
]
NO_FILTER = [
    "actor=%00",
    "actor=",
    "action=" + "x" * 65,
    "since=yesterday",
    "since=0",
    "until=2026-01-01",
    "until=9999-12-31T23:59:59-14:00",
]
NO_SLUG = ["%00", "UPPER", "%F0%9F%A5%91", "a%20b", "x" * 65, "%27--"]


async def test_a_list_refuses_a_query_that_is_not_its_own(admin: httpx.AsyncClient) -> None:
    for path in (*BODIES, "/v1/audit"):
        for query in NO_QUERY + (NO_FILTER if path == "/v1/audit" else []):
            answer = await admin.get(f"{path}?{query}")
            assert answer.status_code == 422, (path, query)
            (fault,) = problem(answer)["errors"]
            assert fault["pointer"] == f"/query/{query.split('=')[0]}"


async def test_a_forged_cursor_is_a_place_like_any_other(admin: httpx.AsyncClient) -> None:
    for path in BODIES:
        for position in (-(2**63), -1, 2**15, 2**31, 2**63 - 1):
            answer = await admin.get(path, params={"cursor": write_cursor(position)})
            assert answer.status_code == 200


async def test_an_address_that_names_nothing_is_422(admin: httpx.AsyncClient) -> None:
    for path in BODIES:
        for name in NO_SLUG:
            answer = await admin.get(f"{path}/{name}")
            assert answer.status_code == 422, (path, name)
