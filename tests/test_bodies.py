"""What may be sent: sizes, strict JSON, and the types of the wire."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.platform.refusals import BodyTooLarge
from app.platform.web import Api
from tests.cups import NUMBER, SMALL, Cup, cups, cups_client, shown


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the small app."""
    async with cups_client() as client:
        yield client


async def chunks(size: int) -> AsyncIterator[bytes]:
    """Send a body without telling its length."""
    for _ in range(size // 1_024):
        yield b" " * 1_024


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(("path", "limit"), [("/v1/cups", 4_096), ("/v1/trays", 16_384)])
async def test_a_body_above_the_limit_of_its_route_is_413(
    web: httpx.AsyncClient, path: str, limit: int
) -> None:
    for content in (b" " * (limit + 1), chunks(limit + 1_024)):
        answer = await web.post(path, content=content, headers=JSON)
        assert answer.status_code == 413
        assert shown(answer) == {
            "type": "/problems/body-too-large",
            "title": BodyTooLarge.title,
            "detail": f"At most {limit} bytes are taken here; split it.",
        }
    for content in (b" " * limit, chunks(limit)):
        answer = await web.post(path, content=content, headers=JSON)
        assert answer.status_code == 422


async def test_an_announced_length_is_refused_before_anything_is_read() -> None:
    read = False

    async def receive() -> dict[str, Any]:
        nonlocal read
        read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    statuses = []

    async def send(message: Any) -> None:  # noqa: ANN401 - any ASGI message
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/cups",
        "query_string": b"",
        "headers": [(b"content-length", b"4097"), (b"content-type", b"application/json")],
    }
    await Api(SMALL, routers=[cups])(scope, receive, send)
    assert statuses[0] == 413
    assert not read


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": NaN}',
        b'{"name": "a", "sugar": Infinity}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\xff"}',
        b'\xef\xbb\xbf{"name": "a"}',
        '{"name": "a"}'.encode("utf-16"),
        b'{"name": ' + b"[" * 1_500 + b"]" * 1_500 + b"}",
        b'{"name": "a"} x',
        b'{"name": "a",}',
    ],
)
async def test_what_is_not_strict_json_is_422(web: httpx.AsyncClient, body: bytes) -> None:
    answer = await web.post("/v1/cups", content=body, headers=JSON)
    assert answer.status_code == 422
    document = shown(answer)
    assert document["type"] == "/problems/invalid-request"
    assert document["detail"] == "The body is not JSON in UTF-8."


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"name"', b'{"sugar": ' + b"9" * 4_000 + b"}"]
)
async def test_json_of_another_shape_is_422(web: httpx.AsyncClient, body: bytes) -> None:
    answer = await web.post("/v1/cups", content=body, headers=JSON)
    assert answer.status_code == 422
    assert shown(answer)["type"] == "/problems/invalid-request"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_422_and_says_what_is_needed(
    web: httpx.AsyncClient, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await web.post("/v1/cups", content=b'{"name": "a"}', headers=headers)
    assert answer.status_code == 422
    assert "Content-Type: application/json" in shown(answer)["detail"]


async def test_a_fault_tells_where_and_what_but_never_which_value(web: httpx.AsyncClient) -> None:
    answer = await web.post(
        "/v1/cups",
        json={"name": 7, "blend": NUMBER, "sugar": "1", "a/b~c": 1, "notes": ["too long"]},
    )
    assert answer.status_code == 422
    assert NUMBER not in answer.text
    assert shown(answer) == {
        "type": "/problems/invalid-request",
        "title": "The request cannot be understood",
        "detail": "5 things are wrong.",
        "errors": [
            {"pointer": "/name", "detail": "Input should be a valid string"},
            {"pointer": "/blend", "detail": "String should match pattern '^[a-z0-9-]{1,64}$'"},
            {"pointer": "/sugar", "detail": "Input should be a valid integer"},
            {"pointer": "/notes/0", "detail": "String should have at most 5 characters"},
            {"pointer": "/a~1b~0c", "detail": "is not known here"},
        ],
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"name": "a", "name": "b"}', "/name"),
        (b'{"name": "a", "n\\u0061me": "b"}', "/name"),
        (b'{"name" :"a:b", "name": "\\":", "blend": "x"}', "/name"),
        (b'{"name": "a", "x": [1, {"y": {"z:": 1, "z:": ":"}}]}', "/x/1/y/z:"),
        (b'{"name": "a", "x": {"%b": 1, "%b": 2}}' % (NUMBER.encode(), NUMBER.encode()), "/x"),
    ],
)
async def test_a_member_that_stands_twice_is_refused_as_only_one_can_count(
    web: httpx.AsyncClient, body: bytes, pointer: str
) -> None:
    answer = await web.post("/v1/cups", content=body, headers=JSON)
    assert answer.status_code == 422
    assert shown(answer) == {
        "type": "/problems/invalid-request",
        "title": "The request cannot be understood",
        "detail": "One thing is wrong.",
        "errors": [{"pointer": pointer, "detail": "stands twice, and only one can count"}],
    }


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", {"pointer": "", "detail": "a JSON object is needed"}),
        (b"null", {"pointer": "", "detail": "a JSON object is needed"}),
        (b"{}", {"pointer": "/name", "detail": "is needed"}),
        (b'{"name": "a\\u0000"}', {"pointer": "/name", "detail": "holds a NUL character"}),
        (b'{"name": "a", "06 39 98 00 01": 1}', {"pointer": "", "detail": "is not known here"}),
        (b'{"name": "a", "a@example.com": 1}', {"pointer": "", "detail": "is not known here"}),
    ],
)
async def test_a_fault_is_told_in_words_of_json(
    web: httpx.AsyncClient, body: bytes, fault: dict[str, str]
) -> None:
    answer = await web.post("/v1/cups", content=body, headers=JSON)
    assert shown(answer)["errors"] == [fault]


async def test_an_offset_whose_plus_became_a_space_is_told_apart(web: httpx.AsyncClient) -> None:
    cup = {"name": "a", "poured_at": "2026-01-31T09:30:00 01:00"}
    (error,) = shown(await web.post("/v1/cups", json=cup))["errors"]
    assert "%2B" in error["detail"]


async def test_a_packed_body_is_told_to_come_unpacked(web: httpx.AsyncClient) -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    answer = await web.post("/v1/cups", content=gzip.compress(b'{"name": "a"}'), headers=headers)
    assert shown(answer)["detail"] == "The body is not JSON in UTF-8; send it unpacked."


async def test_faults_outside_the_body_name_their_place(web: httpx.AsyncClient) -> None:
    listed = shown(await web.get("/v1/cups", params={"limit": "501", "sort": "up"}))
    assert [error["pointer"] for error in listed["errors"]] == ["/query/limit", "/query/sort"]
    one = shown(await web.get("/v1/cups/seven"))
    assert [error["pointer"] for error in one["errors"]] == ["/path/number"]


async def test_a_thousand_faults_are_answered_with_fifty(web: httpx.AsyncClient) -> None:
    answer = await web.post("/v1/trays", json=[{}] * 1_000)
    assert len(shown(answer)["errors"]) == 50


HOSTILE = [
    None,
    True,
    -1,
    0,
    2**63,
    2**64 + 1,
    10**300,
    1.5,
    1e308,
    "",
    "0",
    "\x00",
    "a\x00b",
    "\u202eabc",
    "\ufffe\uffff",
    "x" * 3_000,
    "é" * 500,
    "'; DROP TABLE opt_outs; --",
    "<script>alert(1)</script>",
    "2026-02-30T00:00:00Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00+99:99",
    "0000-00-00T00:00:00Z",
    "٢٠٢٦-01-01T00:00:00Z",
    1767225600,
    [],
    ["a"] * 600,
    [["a"]],
    {},
    {"name": "a"},
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("field", sorted(Cup.model_fields))
async def test_no_value_in_any_field_makes_the_app_fail(
    web: httpx.AsyncClient, field: str, value: object
) -> None:
    body = json.dumps({"name": "a"} | {field: value})
    answer = await web.post("/v1/cups", content=body, headers=JSON)
    assert answer.status_code in (201, 422)
    if isinstance(value, str) and "\x00" in value:
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00.000000Z"),
        ("2026-07-01t12:00:00.5z", "2026-07-01T12:00:00.500000Z"),
        ("2026-07-01T12:00:00.123456789-00:30", "2026-07-01T12:30:00.123456Z"),
    ],
)
async def test_times_are_answered_in_utc_with_six_decimals(
    web: httpx.AsyncClient, given: str, read: str
) -> None:
    answer = await web.post("/v1/cups", json={"name": "a", "poured_at": given})
    assert answer.json() == {"name": "a", "poured_at": read}
