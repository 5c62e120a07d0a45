"""Lists in pages: how many, from where, and what the next page is asked with.

A cursor is opaque to callers: base64url of the JSON array of the values that the last item of a
page is ordered by.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import pydantic_core
from pydantic import Field

from app.platform.problems import FieldError, Problem
from app.platform.wire import Answer, WireModel, parse_time, wire_time

Item = TypeVar("Item")
Row = TypeVar("Row")
Key = int | str | UUID | datetime
"""What a list can be ordered by."""


class BadCursor(Problem):
    """The cursor is not one that this list gave out. Begin without one."""

    type = "bad-cursor"
    title = "This cursor was not given out here"
    status = 422

    def __init__(
        self,
        pointer: str = "/query/cursor",
        detail: str = "Take next_cursor of the page before as it is, or leave the cursor out.",
    ) -> None:
        """Say where the cursor stood, and what to send in its place."""
        super().__init__(detail, errors=[FieldError(pointer, "was not given out by this list")])


class PageQuery(WireModel):
    """The query of a list; a list with filters has a model that inherits this one.

    In a route: ``query: Annotated[PageQuery, Query()]``. Unknown parameters are refused.
    """

    limit: Annotated[int, Field(ge=1, le=500, description="Items in a page, at most")] = 50
    cursor: Annotated[
        str | None,
        Field(
            max_length=1_024,
            pattern="^[A-Za-z0-9_-]+$",
            description="`next_cursor` of the page before; left out: the first page",
        ),
    ] = None

    def after(self, *types: type[Key]) -> tuple[Any, ...] | None:
        """Read the values after which the page begins; None for the first page.

        Raises:
            BadCursor: it does not hold values of exactly these types.
        """
        return None if self.cursor is None else read_cursor(self.cursor, *types)


class Page(Answer, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="What to ask the next page with; null at the end")


def write_cursor(*values: Key) -> str:
    """Write the values that an item is ordered by as a cursor."""
    plain = [
        wire_time(value)
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for value in values
    ]
    return urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *types: type[Key]) -> tuple[Any, ...]:
    """Read a cursor whose values have these types, in this order.

    Raises:
        BadCursor: it is anything else.
    """
    try:
        values = pydantic_core.from_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(types):
            raise BadCursor
        return tuple(_read(value, kind) for value, kind in zip(values, types, strict=True))
    except ValueError:
        raise BadCursor from None


def _read(value: object, kind: type[Key]) -> Key:
    if kind is int and type(value) is int and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, str) and "\0" not in value:
        if kind is datetime:
            return parse_time(value)
        if kind is UUID:
            return UUID(value)
        if kind is str:
            return value
    raise BadCursor


def cut(
    rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[Key, ...]]
) -> tuple[Sequence[Row], str | None]:
    """Cut rows, of which ``limit + 1`` were asked for, to a page and the cursor of the next."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], write_cursor(*key(rows[limit - 1]))
