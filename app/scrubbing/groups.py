"""The rows of a campaign's file in groups, remembered between their two readings where few."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import BinaryIO

from app.files import Batch, Layout

from .campaigns import read_groups

_REMEMBERED_BYTES = 50_331_648


class Groups:
    """Reads the groups of a file, more than once if need be."""

    def __init__(self, source: BinaryIO, layout: Layout) -> None:
        """Take the file; nothing is read yet."""
        self._source = source
        self._layout = layout
        self._remembered: list[list[Batch]] = []
        self._room = _REMEMBERED_BYTES
        self._is_whole = False

    async def read(self, *, skip: int) -> AsyncIterator[tuple[int, list[Batch]]]:
        """Read the groups in a thread, with their numbers, from the one of a number on."""
        if self._is_whole:
            for number in range(skip, len(self._remembered)):
                yield number, self._remembered[number]
            return
        self._remembered, self._room = [], _REMEMBERED_BYTES
        groups = read_groups(self._source, self._layout)
        number = 0
        while (group := await asyncio.to_thread(next, groups, None)) is not None:
            self._remember(group)
            if number >= skip:
                yield number, group
            number += 1
        self._is_whole = self._room >= 0

    def _remember(self, group: list[Batch]) -> None:
        self._room -= sum(map(_bytes_held, group))
        if self._room >= 0:
            self._remembered.append(group)
        else:
            self._remembered.clear()


def _bytes_held(batch: Batch) -> int:
    """Tell about how much memory a batch takes: plain text much less than any other."""
    if batch.text is not None:
        return sys.getsizeof(batch.text)
    cells = sum(map(len, batch.cells))
    return sum(map(sys.getsizeof, batch.raws)) * (2 if cells else 1) + 64 * cells
