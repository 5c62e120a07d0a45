"""Lines of a snapshot, written by hand: a million of them pass here, in NDJSON or CSV.

PostgreSQL writes the end of a line, which holds nothing but numbers, times and words of ours, on
its own core. Here the contact point is unsealed, put into the database's form and set before it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.journal import EVERY_MEDIUM, Kind, Media
from app.platform.vault import Vault

from .rendering import Form, in_json

if TYPE_CHECKING:
    from asyncpg import Record

SnapshotFormat = Literal["ndjson", "csv"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How PostgreSQL writes the end of a line, from the media on.

    ``media`` are by their bits; the other texts stand between version, position and ``since``.
    """

    media: Sequence[str]
    position: str
    since: str
    last: str


_ENDINGS: dict[SnapshotFormat, Ending] = {
    "ndjson": Ending(
        [
            f',"media":{json.dumps(Media(bits).words, separators=(",", ":"))},"version":'
            for bits in range(EVERY_MEDIUM + 1)
        ],
        ',"position":',
        ',"since":"',
        '"}\n',
    ),
    "csv": Ending(
        [f",{'|'.join(Media(bits).words)}," for bits in range(EVERY_MEDIUM + 1)], ",", ",", "\r\n"
    ),
}


@dataclass(frozen=True, slots=True)
class Lines:
    """Writes the rows of one snapshot."""

    vault: Vault
    form: Form
    written_as: SnapshotFormat

    @property
    def first(self) -> bytes:
        """The line above the list, if the format has one."""
        if self.written_as == "csv":
            return b"kind,value,brand,media,version,position,since\r\n"
        return b""

    @property
    def ending(self) -> Ending:
        """How PostgreSQL is to write the end of a line."""
        return _ENDINGS[self.written_as]

    def write(
        self, rows: Sequence["Record"], brands: Mapping[int, str | None]
    ) -> tuple[bytes, int]:
        """Write rows of ``(point, brand, kind, digest, sealed, end)``, and count them.

        Those without a sealed value concern somebody else, or can be told no more.
        """
        middles = {brand: self._middle(slug) for brand, slug in brands.items()}
        heads = self._heads()
        shows = self.form.shows(_in_csv if self.written_as == "csv" else in_json)
        unseal = self.vault.unseal
        parts: list[bytes] = []
        for _, brand, kind, digest, sealed, end in rows:
            if sealed is not None:
                value = unseal(sealed, digest)
                show = shows[kind]
                shown = value if show is None else show(value)
                parts += (heads[kind], shown, middles[brand], end)
        return b"".join(parts), len(parts) // 4

    def _heads(self) -> dict[int, bytes]:
        if self.written_as == "csv":
            return {kind: f"{kind.word},".encode() for kind in Kind}
        written = self.form.format
        return {
            kind: f'{{"identifier":{{"kind":"{kind.word}","format":"{written}","value":"'.encode()
            for kind in Kind
        }

    def _middle(self, slug: str | None) -> bytes:
        if self.written_as == "csv":
            return f",{slug or ''}".encode()
        return b'"},"brand":' + json.dumps(slug).encode()


def _in_csv(value: bytes) -> bytes:
    # Never altered for spreadsheets: it is for programs.
    if any(mark in value for mark in b'",\r\n'):
        return b'"%b"' % value.replace(b'"', b'""')
    return value
