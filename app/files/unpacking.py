"""Packed files: gzip, and zip with one table in it, unpacked as they are read."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .bad_file import BadFile
from .limits import Limits

PIECE_BYTES = 32_768
"""Read at a time. Rows of larger pieces outlive a collection of garbage, which halves the speed."""

GZIP = b"\x1f\x8b"
_EMPTY_ZIP = b"PK\x05\x06"
ZIPS = (b"PK\x03\x04", _EMPTY_ZIP, b"PK\x07\x08")

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, struct.error)
"""What ``zipfile`` raises of a file whose parts contradict each other."""

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_PLACE_64 = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 65_535
_UNKNOWN = 0xFFFF_FFFF


def gunzipped(source: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """Unpack a gzip file of one or more members (RFC 1952).

    Raises:
        BadFile: it is cut short, damaged, or holds far more than it should.
    """
    member = _member()
    taken = given = 0
    while piece := source.read(PIECE_BYTES):
        taken += len(piece)
        while piece := piece.lstrip(b"\0") if member.eof else piece:
            if member.eof:
                member = _member()
            yield (out := _inflated(member, piece))
            given += len(out)
            _guard(taken, given, limits)
            piece = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof and (out := _inflated(member, b"")):
        yield out
    if taken and not member.eof:
        raise BadFile("cut-short", "the gzip file is cut short")


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _inflated(member: "zlib._Decompress", piece: bytes) -> bytes:
    try:
        return member.decompress(piece, PIECE_BYTES)
    except zlib.error:
        raise BadFile("damaged", "the gzip file is damaged") from None


def unzipped(archive: zipfile.ZipFile, limits: Limits) -> Iterator[bytes]:
    """Unpack the one table in a zip file.

    Raises:
        BadFile: there is none or more than one, it is encrypted, damaged, or holds too much.
    """
    member = _only_member(archive)
    if member.flag_bits & 1:
        raise BadFile("encrypted", "the zip file is encrypted; send it without a password")
    _guard(member.compress_size, member.file_size, limits)
    try:
        with archive.open(member) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except NotImplementedError:
        raise BadFile("unknown-packing", "the zip file is packed in an unusual way") from None
    except _DAMAGE:
        raise _damaged() from None


@contextmanager
def open_zip(source: BinaryIO, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for a block, once its directory is known to be small.

    Raises:
        BadFile: the directory is too large, or there is none.
    """
    if _directory_bytes(source) > limits.zip_directory_bytes:
        raise BadFile("zip-of-many", "there are too many files in the zip file")
    try:
        archive = zipfile.ZipFile(source)
    except (*_DAMAGE, NotImplementedError):
        raise _damaged() from None
    with archive:
        yield archive


def _damaged() -> BadFile:
    return BadFile("damaged", "the zip file is cut short or damaged")


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    tables = [
        member
        for member in archive.infolist()
        if not member.filename.endswith("/")
        and not member.filename.startswith("__MACOSX/")
        and not member.filename.rpartition("/")[2].startswith(".")
    ]
    if not tables:
        raise BadFile("empty", "there is nothing in the zip file")
    if len(tables) > 1:
        raise BadFile("zip-of-many", "there are several files in the zip file; send one at a time")
    return tables[0]


def _guard(packed: int, unpacked: int, limits: Limits) -> None:
    """Refuse what unpacks to far more than any list would."""
    allowed = min(limits.unpacked_bytes, limits.unguarded_bytes + packed * limits.most_times_packed)
    if unpacked > allowed:
        raise BadFile("unpacks-to-too-much", "the file unpacks to far more than a list would")


def _directory_bytes(source: BinaryIO) -> int:
    """Tell how large the directory at the end of a zip file says it is.

    ``zipfile`` would read any number of entries into memory.
    """
    size = source.seek(0, io.SEEK_END)
    start = source.seek(max(0, size - _LONGEST_COMMENT - _END.size - _PLACE_64.size))
    tail = source.read()
    source.seek(0)
    at = tail.rfind(_EMPTY_ZIP)
    if at < 0 or len(tail) < at + _END.size:
        raise _damaged()
    directory = int(_END.unpack_from(tail, at)[5])
    if directory != _UNKNOWN:
        return directory
    if at < _PLACE_64.size:
        raise _damaged()
    place = int(_PLACE_64.unpack_from(tail, at - _PLACE_64.size)[2]) - start
    if not 0 <= place <= len(tail) - _END_64.size:
        raise _damaged()
    return int(_END_64.unpack_from(tail, place)[8])
