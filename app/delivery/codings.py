"""What a reader accepts, by preference: the media type and the coding of a streamed list.

RFC 9110, 12.5.1 and 12.5.3. What cannot be read in a header is passed over: it asks for nothing.
"""

import re
import zlib
from collections.abc import Sequence
from typing import Literal, Protocol

import zstandard

from app.platform.problems import Problem

Coding = Literal["zstd", "gzip", "identity"]
_CODINGS: tuple[Coding, ...] = ("zstd", "gzip", "identity")
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)
_MOST_CHARACTERS = 4_096
_GZIP_LEVEL, _ZSTD_LEVEL = 3, 3
"""Beyond these a list of numbers gets hardly smaller, and takes three times as long."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class NotAcceptable(Problem):
    """The answer can be had plain, as gzip or as zstd, and `Accept-Encoding` refuses all three."""

    type = "not-acceptable"
    title = "No coding that is accepted can be had"
    status = 406


class Packer(Protocol):
    """Packs a stream piece by piece; the end is told from a cut by a checksum."""

    def compress(self, piece: bytes, /) -> bytes:
        """Take a piece and give what is ready, perhaps nothing."""

    def flush(self) -> bytes:
        """Give the rest, and end."""


def packer(coding: Coding) -> Packer | None:
    """Make what packs a stream; None where it goes as it is."""
    if coding == "gzip":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    if coding == "zstd":
        return zstandard.ZstdCompressor(_ZSTD_LEVEL, write_checksum=True).compressobj()
    return None


def choose_coding(accept_encoding: str | None) -> Coding:
    """Choose the coding that a reader likes best; of equals the one that packs best.

    Raises:
        NotAcceptable: each of them is refused.
    """
    if accept_encoding is None:
        return "identity"
    liked = _preferences(accept_encoding)
    liked.setdefault("gzip", liked.get("x-gzip", liked.get("*", 0.0)))
    liked.setdefault("zstd", liked.get("*", 0.0))
    # Plain is never refused but in so many words, and never preferred unless named.
    spoken_of = liked.get("identity", liked.get("*"))
    best = max(_CODINGS[:2], key=lambda coding: liked[coding])
    if liked[best] > 0 and liked[best] >= liked.get("identity", 0.0):
        return best
    if spoken_of == 0:
        raise NotAcceptable("Accept identity, gzip or zstd.", headers={"Vary": "Accept-Encoding"})
    return "identity"


def choose_type(accept: str | None, types: Sequence[str]) -> str:
    """Choose the media type that a reader likes best; of equals, or of none, the first."""
    liked = _preferences(accept or "*/*")

    def liking(type_: str) -> float:
        for named in (type_, type_.partition("/")[0] + "/*", "*/*"):
            if named in liked:
                return liked[named]
        return 0.0

    return max(types, key=liking)


def _preferences(header: str) -> dict[str, float]:
    """Read the items of a header with their weights; of two alike the first counts."""
    found: dict[str, float] = {}
    for item in header[:_MOST_CHARACTERS].split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weights = [part[2:] for part in parameters if part.startswith("q=")] or ["1"]
        if name and _WEIGHT.fullmatch(weights[0]):
            found.setdefault(name, float(weights[0]))
    return found
