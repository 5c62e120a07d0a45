"""Lists for people: what is asked for stands in the address, so that a page can be sent on.

Never a contact point: no list is asked by one.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request

from app.platform.pages import Key, cut, read_cursor

Row = TypeVar("Row")

PAGE = 50
_MOST = 120


class Asked:
    """What a list is asked for by the query of its address; what cannot be read is not asked."""

    def __init__(self, request: Request) -> None:
        """Take the request."""
        self._request = request
        self._zone = request.app.state.settings.time_zone

    def text(self, name: str) -> str | None:
        """Tell what was asked under a name."""
        said = self._request.query_params.get(name, "").replace("\x00", "").strip()[:_MOST]
        return said or None

    def id(self, name: str) -> UUID | None:
        """Tell which id was asked for."""
        try:
            return UUID(self.text(name) or "")
        except ValueError:
            return None

    def day(self, name: str, *, over: bool = False) -> datetime | None:
        """Tell when a day begins that was asked for, or with ``over`` when it is over."""
        try:
            on = date.fromisoformat(self.text(name) or "")
            begin = datetime.combine(on + timedelta(days=over), time(), self._zone)
            return begin.astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def after(self, *types: type[Key]) -> tuple[Any, ...] | None:
        """Tell after which item the page begins.

        Raises:
            BadCursor: it is none that a list gave out.
        """
        cursor = self.text("cursor")
        return None if cursor is None else read_cursor(cursor, *types)

    def page(
        self, rows: Sequence[Row], key: Callable[[Row], tuple[Key, ...]]
    ) -> tuple[Sequence[Row], str | None]:
        """Cut rows, of which one more than a page was read: the page, and the next one's query."""
        shown, cursor = cut(rows, PAGE, key)
        if cursor is None:
            return shown, None
        return shown, self._request.url.include_query_params(cursor=cursor).query
