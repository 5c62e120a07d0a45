"""From cells to digests: most of what a scrub costs the processor."""

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from app.files import BadValue, clean, column_of, phone_text
from app.identifiers import DigestKeys, normalise_many, region_of_phone
from app.journal import Kind
from app.platform.keyring import KeyRing

from .answers import NO_DIGEST
from .processes import Processes

_AT_ONCE = 500
_PLAIN = (string.ascii_letters + string.digits + "@+ ()_-/.\n").encode()
_LOST = re.compile(r"[.][0-9]*0(?:\n|\Z)|[0-9][Ee]")
"""What may be more than a value, or less than one: looked for in many cells together."""
Countries = tuple[bytes, list[str | None]]
"""Of each cell the place of its number's country in a list; there are fewer than 256."""
_keys: DigestKeys | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One cell of each of ``rows`` plain lines, to be taken out where they are digested."""

    text: str
    rows: int
    at: int
    delimiter: str

    def __len__(self) -> int:
        """Count the cells."""
        return self.rows


Cells = Sequence[str] | Column


class Digester:
    """Digests cells under every live key."""

    def __init__(self, keys: DigestKeys, processes: Processes) -> None:
        """Take the keys, and processes that begin with them."""
        self._keys = keys
        self._processes = processes

    async def digest(self, kind: Kind, cells: Cells, *, region: str) -> tuple[bytes, ...]:
        """Digest contact points as people write them: for each live key, 16 bytes a cell.

        ``NO_DIGEST`` stands for what cannot be understood.

        Raises:
            Unavailable: a process was ended from outside; ask again.
        """
        digests, _ = await self._read(kind, cells, region, with_countries=False)
        return digests

    async def read(
        self, kind: Kind, cells: Cells, *, region: str
    ) -> tuple[tuple[bytes, ...], Countries]:
        """Digest them as ``digest`` does, and tell of each the country of the number.

        Raises:
            Unavailable: as ``digest``.
        """
        return await self._read(kind, cells, region, with_countries=True)

    async def _read(
        self, kind: Kind, cells: Cells, region: str, *, with_countries: bool
    ) -> tuple[tuple[bytes, ...], Countries]:
        return await self._processes.run(
            _digest_there,
            kind,
            cells,
            region,
            with_countries,
            rows=len(cells),
            here=partial(_digest, self._keys),
        )


def beginning(keys: DigestKeys) -> Callable[[], None]:
    """Make what a process does first that is to digest under these keys."""
    return partial(_take_keys, dict(keys.ring.keys))


def _take_keys(keys: Mapping[int, bytes]) -> None:
    global _keys  # noqa: PLW0603 - a process of the pool is begun once, and has one ring
    _keys = DigestKeys(KeyRing(MappingProxyType(dict(keys)), tuple(keys)))


def _digest_there(
    kind: Kind,
    cells: Cells,
    region: str,
    with_countries: bool,  # noqa: FBT001 - an executor takes no keywords
) -> tuple[tuple[bytes, ...], Countries]:
    if _keys is None:
        raise TypeError("the process was not begun with keys")
    return _digest(_keys, kind, cells, region, with_countries)


def _digest(
    keys: DigestKeys,
    kind: Kind,
    cells: Cells,
    region: str,
    with_countries: bool,  # noqa: FBT001 - an executor takes no keywords
) -> tuple[tuple[bytes, ...], Countries]:
    if isinstance(cells, Column):
        cells = column_of(cells.text, cells.at, cells.delimiter)
    digests: tuple[list[bytes], ...] = tuple([] for _ in keys.numbers)
    places: dict[str | None, int] = {}
    countries = bytearray()
    for first in range(0, len(cells), _AT_ONCE):
        texts = _texts(kind, cells[first : first + _AT_ONCE])
        normals = normalise_many(kind, texts, region=region)
        for under_key, some in zip(digests, keys.digest_many(kind, normals), strict=True):
            under_key += [one or NO_DIGEST for one in some]
        if with_countries:
            countries += bytes(
                places.setdefault(_country(kind, normal), len(places)) for normal in normals
            )
    return tuple(map(b"".join, digests)), (bytes(countries), [*places])


def _country(kind: Kind, normal: str | None) -> str | None:
    return region_of_phone(normal) if normal is not None and kind is Kind.PHONE else None


def _texts(kind: Kind, cells: Sequence[str]) -> Sequence[str]:
    """Read cells without what spreadsheets put around values; empty where a number is lost."""
    if not _may_be_odd("\n".join(cells)):
        return cells
    return [_phone(cell) for cell in cells] if kind is Kind.PHONE else [*map(clean, cells)]


def _may_be_odd(text: str) -> bool:
    if not text.isascii() or text.encode().translate(None, _PLAIN):
        return True
    return any(letter in text for letter in ".eE") and bool(_LOST.search(text))


def _phone(cell: str) -> str:
    try:
        return phone_text(cell)
    except BadValue:
        return ""
