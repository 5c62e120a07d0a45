"""What is kept of an entry, or of a line of a snapshot."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

EVERY_BRAND = ""
"""In the place of a null brand, which could not stand in a primary key."""

Key = tuple[str, str, str]
"""Kind, value and brand."""


@dataclass(frozen=True, slots=True)
class Row:
    """The whole state of a contact point and brand; ``media`` joined by ``|``, empty: none.

    ``since`` is exact in a row from a snapshot. One from the feed knows only when its own change
    occurred, and the table keeps the earliest.
    """

    kind: str
    format: str
    value: str = field(repr=False)
    brand: str
    media: str
    version: int
    position: int
    since: str
    erased: bool = False

    @property
    def key(self) -> "Key":
        """Name the row."""
        return self.kind, self.value, self.brand

    @property
    def cells(self) -> tuple[str, str, str, str, str, int, int, str, bool, str]:
        """List the values in the order of the columns."""
        return (
            self.kind,
            self.format,
            self.value,
            self.brand,
            self.media,
            self.version,
            self.position,
            self.since,
            self.erased,
            checksum(
                self.kind,
                self.format,
                self.value,
                self.brand,
                self.media,
                self.version,
                self.position,
            ),
        )


class Held(NamedTuple):
    """A row as it stands in the table, whatever became of it since it was kept."""

    kind: str
    format: str
    value: str
    brand: str
    media: str
    version: int
    position: int
    checksum: str

    @property
    def key(self) -> Key:
        """Name the row."""
        return self.kind, self.value, self.brand

    @property
    def is_intact(self) -> bool:
        """Tell whether it is as it was kept."""
        return self.checksum == checksum(*self[:-1])


def checksum(*cells: object) -> str:
    """Sum up what a row says, from ``kind`` to ``position``, so that an altered one is noticed."""
    return hashlib.blake2b(repr(cells).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the feed; ``untold`` are the positions of entries whose value was destroyed.

    ``head`` is the journal's last position; the page reaches it where there is no more.
    """

    rows: tuple[Row, ...]
    untold: tuple[int, ...]
    next_cursor: str
    has_more: bool
    head: int


def read_page(feed: Mapping[str, Any]) -> Page:
    """Read what the feed answered.

    Raises:
        KeyError, TypeError: it is no page of a feed.
    """
    entries = feed["entries"]
    return Page(
        tuple(_row(entry, entry["occurred_at"]) for entry in entries if _is_told(entry)),
        tuple(entry["position"] for entry in entries if not _is_told(entry)),
        feed["next_cursor"],
        feed["has_more"],
        feed["head"],
    )


def read_lines(lines: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Read lines of a snapshot.

    Raises:
        KeyError, TypeError: one is none.
    """
    for line in lines:
        yield _row(line, line["since"])


def _is_told(entry: Mapping[str, Any]) -> bool:
    return entry["identifier"]["value"] is not None


def _row(state: Mapping[str, Any], since: str) -> Row:
    identifier = state["identifier"]
    return Row(
        identifier["kind"],
        identifier["format"],
        identifier["value"],
        state["brand"] or EVERY_BRAND,
        "|".join(state["media"]),
        state["version"],
        state["position"],
        since,
        state.get("type") == "identifier.erased",
    )
