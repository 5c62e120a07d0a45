"""Asking the law about the rows of a file, all as of one moment."""

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.checks import Counsel, Judge, Scrub, together
from app.policy import Brief, Hearing, Known

from .answers import Block

_LOOKED_UP = 10_000


class RowJudge:
    """Judges the rows of one scrub, block by block."""

    def __init__(self, counsel: Counsel, scrub: Scrub, *, at: datetime) -> None:
        """Take what is asked about the rows, and the moment."""
        self._counsel = counsel
        self._scrub = scrub
        self._at = at
        self._judge: Judge | None = None

    async def judge(self, block: Block, asked: Sequence[tuple[int, bytes]]) -> None:
        """Judge the rows of a block; ``asked`` are rows and digests that may be on record.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        if self._judge is None:
            law = await self._counsel.law()
            hearing = Hearing(law, self._scrub.terms, self._scrub.medium, self._at)
            self._judge = Judge(hearing, default_region=self._counsel.default_region)
        on_record: dict[int, list[Known]] = {}
        for first in range(0, len(asked), _LOOKED_UP):
            some = asked[first : first + _LOOKED_UP]
            found = await self._counsel.known_at({digest for _, digest in some}, self._at)
            for row, digest in some:
                if digest in found:
                    on_record.setdefault(row, []).append(found[digest])
        await asyncio.to_thread(_judge_rows, self._judge, block, on_record)


def _judge_rows(judge: Judge, block: Block, on_record: Mapping[int, Sequence[Known]]) -> None:
    judged = block.judged
    if judged is None:
        raise TypeError("the block was not begun to be judged")
    numbers: dict[Brief, int] = {}

    def number(brief: Brief) -> int:
        return numbers.setdefault(brief, len(numbers) + 1)

    countries, regions = judged.countries, judged.regions
    strangers = [number(judge.stranger(country)) for country in countries]
    judged.outcomes = array("H", [strangers[region] for region in regions])
    for row, some in on_record.items():
        known = together(some)
        judged.outcomes[row] = number(judge.judge(known, countries[regions[row]]))
    judged.briefs = [*numbers]
