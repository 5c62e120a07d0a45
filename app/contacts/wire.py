"""What the routes of contacts share: names looked up once for many lines, and what became of them.

Intake takes consents and files with the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import Field

from app.journal import EVERY_BRAND
from app.parties import Directory, UnknownBrand, UnknownParty
from app.platform.problems import Problem
from app.platform.wire import Answer, text
from app.points import UnusableIdentifier

from .refusals import UnusableRecord, code_of

LINE_PROBLEMS = (UnusableRecord, UnusableIdentifier, UnknownBrand, UnknownParty)
"""What refuses one line of many, and not the others."""
_IN_TURN = 200
"""Lines that are read before others have their turn."""

Offered = Annotated[str, text(120)]
"""What is offered, goods or services; case and spaces do not count."""
Status = Literal["recorded", "unchanged", "refused"]
New_co = TypeVar("New_co", covariant=True)
New = TypeVar("New")


@dataclass(frozen=True, slots=True)
class Names:
    """Brands and parties by their slugs, each a number or the problem that there is none."""

    brands: Mapping[str, int | Problem]
    parties: Mapping[str, int | Problem]

    @classmethod
    async def of(
        cls, directory: Directory, brands: Iterable[str | None], parties: Iterable[str | None]
    ) -> "Names":
        """Look up all at once, however many there are."""
        return cls(
            await _look_up(directory.brand, {one for one in brands if one}),
            await _look_up(directory.party, {one for one in parties if one}),
        )

    def brand(self, slug: str | None) -> int:
        """Tell a brand's number; every brand's where none is named.

        Raises:
            UnknownBrand: there is none.
        """
        return EVERY_BRAND if slug is None else _number(self.brands[slug])

    def party(self, slug: str | None) -> int | None:
        """Tell a party's number.

        Raises:
            UnknownParty: there is none.
        """
        return None if slug is None else _number(self.parties[slug])


def _number(found: int | Problem) -> int:
    if isinstance(found, Problem):
        raise found
    return found


async def _look_up(
    ask: Callable[[str], Awaitable[int]], slugs: Collection[str]
) -> dict[str, int | Problem]:
    async def one(slug: str) -> int | Problem:
        try:
            return await ask(slug)
        except (UnknownBrand, UnknownParty) as unknown:
            return unknown

    return dict(zip(slugs, await asyncio.gather(*map(one, slugs)), strict=True))


class Sent(Protocol[New_co]):
    """A record as it is sent."""

    @property
    def named_brand(self) -> str | None:
        """The brand that it names."""

    @property
    def named_parties(self) -> tuple[str | None, ...]:
        """The parties that it names."""

    def read(self, reading: "Reading", *, pointer: str = "") -> New_co:
        """Read it, or refuse it by one of ``LINE_PROBLEMS``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What records are read with; ``attempts_days`` for how long attempts are kept."""

    names: Names
    region: str
    at: datetime
    attempts_days: int


async def read_lines(
    sent: Sequence[Sent[New]], reading: Reading, *, pointer: str = "/items"
) -> list[New | Problem]:
    """Read many records, in turns with everybody else; one that is no good is its problem."""
    read: list[New | Problem] = []
    for place, one in enumerate(sent):
        if place % _IN_TURN == 0:
            await asyncio.sleep(0)
        try:
            read.append(one.read(reading, pointer=f"{pointer}/{place}"))
        except LINE_PROBLEMS as problem:
            read.append(problem)
    return read


class LineOut(Answer):
    """What became of one line."""

    status: Status
    id: UUID | None = None
    code: str | None = Field(None, description="Why it was refused")
    detail: str | None = Field(None, description="The same in words")

    @classmethod
    def refused(cls, problem: Problem) -> "LineOut":
        """Tell why a line was refused."""
        return cls(status="refused", code=code_of(problem), detail=problem.detail)


class LineCounts(Answer):
    """How many lines became what; they add up to the lines."""

    recorded: int
    unchanged: Annotated[int, Field(description="The very same was on record already")]
    refused: int

    @classmethod
    def of(cls, statuses: Sequence[Status]) -> "LineCounts":
        """Count."""
        return cls(
            recorded=statuses.count("recorded"),
            unchanged=statuses.count("unchanged"),
            refused=statuses.count("refused"),
        )


class LinesOut(Answer):
    """What became of the lines of a batch, in their order."""

    counts: LineCounts
    results: list[LineOut]

    @classmethod
    def of(cls, results: list[LineOut]) -> "LinesOut":
        """Show them."""
        return cls(counts=LineCounts.of([one.status for one in results]), results=results)


async def record_lines(
    read: Sequence[New | Problem],
    record: Callable[[Sequence[New]], Awaitable[Sequence[LineOut]]],
) -> list[LineOut]:
    """Record what could be read, and tell in order what became of every line."""
    good = [one for one in read if not isinstance(one, Problem)]
    done = iter(await record(good))
    return [LineOut.refused(one) if isinstance(one, Problem) else next(done) for one in read]
