"""Lists in pages, through a small list that is kept in memory."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import Query
from hypothesis import given
from hypothesis import strategies as st

from app.platform.pages import BadCursor, Key, Page, PageQuery, cut, read_cursor, write_cursor
from app.platform.web import Api, router
from tests.cups import SMALL, shown

NUMBERS = range(7)
numbers = router("/v1/numbers", "numbers")


@numbers.get("")
async def list_numbers(query: Annotated[PageQuery, Query()]) -> Page[int]:
    """List a few numbers."""
    after = query.after(int)
    rows = [number for number in NUMBERS if after is None or number > after[0]]
    page, next_cursor = cut(rows[: query.limit + 1], query.limit, lambda number: (number,))
    return Page(items=list(page), next_cursor=next_cursor)


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[httpx.AsyncClient]:
    """Talk to the app of that list."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Api(SMALL, routers=[numbers])), base_url="http://test"
    ) as client:
        yield client


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 500])
async def test_following_the_cursor_gives_every_item_once(
    web: httpx.AsyncClient, limit: int
) -> None:
    seen: list[int] = []
    query: dict[str, str | int] = {"limit": limit}
    while True:
        page = (await web.get("/v1/numbers", params=query)).json()
        assert len(page["items"]) <= limit
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        assert page["items"]
        query["cursor"] = page["next_cursor"]
    assert seen == list(NUMBERS)


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=", "offset=1"])
async def test_a_query_that_no_list_has_is_422(web: httpx.AsyncClient, query: str) -> None:
    answer = await web.get(f"/v1/numbers?{query}")
    assert answer.status_code == 422
    assert shown(answer)["type"] == "/problems/invalid-request"


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\xff",
        b"7",
        b"{}",
        b"[]",
        b"[1,2]",
        b'["1"]',
        b"[1.0]",
        b"[true]",
        b"[null]",
        b"[9223372036854775808]",
        b"[" * 900,
    ],
)
async def test_a_cursor_of_another_making_is_422(web: httpx.AsyncClient, plain: bytes) -> None:
    cursor = urlsafe_b64encode(plain).decode().rstrip("=") or "A"
    answer = await web.get("/v1/numbers", params={"cursor": cursor[:1024]})
    assert answer.status_code == 422
    assert shown(answer) == {
        "type": "/problems/bad-cursor",
        "title": "This cursor was not given out here",
        "detail": "Take next_cursor of the page before as it is, or leave the cursor out.",
        "errors": [{"pointer": "/query/cursor", "detail": "was not given out by this list"}],
    }


@given(
    st.lists(
        st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
        | st.uuids()
        | st.datetimes(timezones=st.just(UTC))
    )
)
def test_a_cursor_gives_back_what_it_was_made_of(values: list[Key]) -> None:
    assert read_cursor(write_cursor(*values), *map(type, values)) == tuple(values)


@given(st.text("ABCabc019-_", min_size=1) | st.text(min_size=1))
def test_any_other_text_is_a_bad_cursor_and_nothing_worse(cursor: str) -> None:
    with pytest.raises(BadCursor):
        read_cursor(cursor, int, str, UUID, datetime)
