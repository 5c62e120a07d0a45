"""Workbooks (XLSX): read by a process of their own, told as the CSV file that they would be."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO
from zipfile import ZipFile

from .bad_file import BadFile
from .limits import Limits

_PROGRAM = Path(__file__).with_name("workbook_program.py")
_PIECE_BYTES = 32_768
_UNREADABLE = 1


def is_workbook(archive: ZipFile) -> bool:
    """Tell whether a zip file is a workbook."""
    return "xl/workbook.xml" in archive.namelist()


def require_small(archive: ZipFile, limits: Limits) -> None:
    """Refuse a workbook by what its directory says it unpacks to.

    Raises:
        BadFile: that is too much.
    """
    packed = sum(member.compress_size for member in archive.infolist())
    unpacked = sum(member.file_size for member in archive.infolist())
    times = limits.most_times_packed
    if unpacked > min(limits.workbook_bytes, limits.unguarded_bytes + packed * times):
        raise _too_large()


def workbook_text(source: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """Give the first sheet with data as CSV: UTF-8, commas, CRLF, an empty line for an empty row.

    Numbers are written as digits, times as ISO 8601 without a zone.

    Raises:
        BadFile: the workbook is damaged, has a password, or is too large.
    """
    bounds = map(str, (limits.workbook_memory_bytes, limits.workbook_seconds))
    with subprocess.Popen(  # noqa: S603 - a program of ours
        [sys.executable, "-I", _PROGRAM, *bounds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
    ) as reader:
        try:
            yield from _through(reader, source)
        finally:
            reader.kill()
    if reader.returncode == _UNREADABLE:
        raise BadFile("damaged", "the workbook is damaged, or has a password")
    if reader.returncode:
        raise _too_large()


def _through(reader: subprocess.Popen[bytes], source: BinaryIO) -> Iterator[bytes]:
    """Hand over the workbook, take over the text; it writes nothing before it has read all."""
    if reader.stdin is None or reader.stdout is None:
        raise AssertionError("both are pipes")
    with suppress(BrokenPipeError), reader.stdin:
        copyfileobj(source, reader.stdin)
    while piece := reader.stdout.read(_PIECE_BYTES):
        yield piece
    reader.wait()


def _too_large() -> BadFile:
    return BadFile("workbook-too-large", "the workbook is too large; save it as CSV")
