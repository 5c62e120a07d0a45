"""What the routes of contacts share: names looked up once for many lines, and what became of them.

Intake takes consents and files with the same.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import core_schema

from app.journal import EVERY_BRAND
from app.parties import Directory, Unknown, UnknownBrand, UnknownParty
from app.platform.problems import Problem
from app.platform.wire import Answer, WireModel, text
from app.points import UnusableIdentifier

from .refusals import UnusableRecord, code_of

LINE_PROBLEMS = (UnusableRecord, UnusableIdentifier, UnknownBrand, UnknownParty)
"""What refuses one line of many, and not the others."""
_IN_TURN = 100
"""Lines that are read before others have their turn."""
_MOST_FAULTS = 50
MOST_LINES = 10_000

Offered = Annotated[str, text(120)]
"""What is offered, goods or services; case and spaces do not count."""
Status = Literal["recorded", "unchanged", "refused"]
New = TypeVar("New")


@dataclass(frozen=True, slots=True)
class Names:
    """Brands and parties by their slugs, each a number or the problem that there is none."""

    brands: Mapping[str, int | Unknown]
    parties: Mapping[str, int | Unknown]

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
        return EVERY_BRAND if slug is None else _number(self.brands[slug], "/brand")

    def party(self, slug: str | None, *, pointer: str = "/party") -> int | None:
        """Tell a party's number; ``pointer`` says where it is named.

        Raises:
            UnknownParty: there is none.
        """
        return None if slug is None else _number(self.parties[slug], pointer)


def _number(found: int | Unknown, pointer: str) -> int:
    if isinstance(found, Unknown):
        raise found.moved(pointer)
    return found


async def _look_up(
    ask: Callable[[str], Awaitable[int]], slugs: Collection[str]
) -> dict[str, int | Unknown]:
    async def one(slug: str) -> int | Unknown:
        try:
            return await ask(slug)
        except Unknown as unknown:
            return unknown

    return dict(zip(slugs, await asyncio.gather(*map(one, slugs)), strict=True))


@dataclass(frozen=True, slots=True)
class Reading:
    """What records are read with; ``attempts_days`` for how long attempts are kept."""

    names: Names
    region: str
    at: datetime
    attempts_days: int


class Sent(WireModel, ABC, Generic[New]):
    """A record as it is sent."""

    @property
    def named_brand(self) -> str | None:
        """The brand that it names."""
        return None

    @property
    def named_parties(self) -> tuple[str | None, ...]:
        """The parties that it names."""
        return ()

    @abstractmethod
    def read(self, reading: Reading, *, pointer: str = "") -> New:
        """Read it, or refuse it by one of ``LINE_PROBLEMS``."""


class InTurns:
    """Marks the items of a batch: they are described as models, and read by ``read_items``.

    To read ten thousand at once kept everybody else waiting for half a second.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        """Take the model of an item."""
        self._model = model

    def __get_pydantic_core_schema__(
        self, _source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Describe a list of the model, and let pass any list of that length."""
        length = Field(min_length=1, max_length=MOST_LINES)
        described = handler.generate_schema(Annotated[list[self._model], length])  # type: ignore[name-defined]  # a class is a type
        return core_schema.no_info_wrap_validator_function(
            lambda value, _: _bounded(value), described
        )


def _bounded(value: object) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_LINES:
        raise ValueError(f"a list of 1 to {MOST_LINES} items is needed")
    return value


Model = TypeVar("Model", bound=BaseModel)


async def read_items(model: type[Model], items: Sequence[object]) -> list[Model]:
    """Read the items of a batch by their model, in turns with everybody else.

    Raises:
        RequestValidationError: an item does not have its shape; each fault says which.
    """
    read, faults = [], []
    for place, item in enumerate(items):
        if place % _IN_TURN == 0:
            await asyncio.sleep(0)
        try:
            read.append(model.model_validate(item))
        except ValidationError as error:
            faults += [
                {**fault, "loc": ("body", "items", place, *fault["loc"])}
                for fault in error.errors()
            ]
            if len(faults) >= _MOST_FAULTS:
                break
    if faults:
        raise RequestValidationError(faults)
    return read


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
