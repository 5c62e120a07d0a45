"""A batch over the wire: read and written without an object of pydantic for each of its lines.

Models of 10,000 lines took four times as long as deciding about them. A line that is written as
most are is read by hand; if any is not, the models read all of them, and say what is wrong.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from json.encoder import encode_basestring
from typing import Annotated, NamedTuple, Self

from fastapi import Response
from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import core_schema

from app.journal import Kind, MediumWord
from app.platform.wire import Answer, Instant, Slug, WireModel, text, wire_time

from .batches import ALLOW, UNUSABLE, Code, Decided, Line
from .decisions import Decision
from .models import LONGEST_VALUE, PointIn, Region
from .terms import CampaignIn

_LONGEST_REF = 200
_MOST_LINES = 10_000
_Cell = Annotated[str, text(LONGEST_VALUE, least=0)]
"""Empty it is unusable, as in a file: a row without a number must not stop all the others."""


class ItemIn(PointIn):
    """One line of a batch: exactly one contact point."""

    phone: _Cell | None = None
    email: _Cell | None = None
    siren: _Cell | None = None
    customer: _Cell | None = None
    ref: Annotated[str | None, text(_LONGEST_REF)] = Field(None, description="Your own, given back")

    @model_validator(mode="after")
    def _asks_about_one(self) -> Self:
        if len(list(self.given())) != 1:
            raise ValueError("exactly one of phone, email, siren, customer is needed")
        return self


class Asked(NamedTuple):
    """A line of a batch as it was read."""

    ref: str | None
    kind: Kind
    value: str


class Lines(tuple[Asked, ...]):
    """The lines of a batch; to whoever writes them a list of ``ItemIn``, and no less strict."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Describe the lines as a list of models, and read them by hand where that is enough."""
        models = handler(Annotated[list[ItemIn], Field(max_length=_MOST_LINES)])
        return core_schema.no_info_wrap_validator_function(cls._read, models)

    @classmethod
    def _read(cls, given: object, by_models: Callable[[object], list[ItemIn]]) -> Self:
        asked = _usual_lines(given)
        if asked is None:
            asked = [Asked(item.ref, *next(item.given())) for item in by_models(given)]
        return cls(asked)


def _usual_lines(given: object) -> list[Asked] | None:
    """Read lines that are all written as most are; None leaves them to the models.

    That is: one contact point and perhaps a reference. A loop without a call, for each line of
    ten thousand pays for it.
    """
    if not isinstance(given, list) or len(given) > _MOST_LINES:
        return None
    asked = []
    word = "phone"
    for item in given:
        if not isinstance(item, dict):
            return None
        if word not in item:
            word = next((one for one in item if one in _KINDS), word)
        value = item.get(word)
        ref = item.get("ref")
        if (
            len(item) != 1 + ("ref" in item)
            or not isinstance(value, str)
            or len(value) > LONGEST_VALUE
            or "\0" in value
        ):
            return None
        if ref is not None and (
            not isinstance(ref, str) or not 0 < len(ref) <= _LONGEST_REF or "\0" in ref
        ):
            return None
        asked.append(Asked(ref, _KINDS[word], value))
    return asked


_KINDS = {one.word: one for one in Kind}


class BatchIn(WireModel):
    """The same question about many people."""

    medium: MediumWord
    brand: Slug | None = Field(None, description="Left out: block if any brand is suppressed")
    region: Region = None
    campaign: CampaignIn | None = Field(
        None, description="What for; looked at where the law is asked"
    )
    items: Lines


class ResultOut(Answer):
    """The answer to one line."""

    ref: str | None
    decision: Decision
    code: Code | None
    since: Instant | None


class BatchCountsOut(Answer):
    """How many lines were answered how; they add up to the lines."""

    allow: int
    block: int
    unusable: int


class BatchOut(Answer):
    """The answers, in the order of the lines."""

    position: int
    checked_at: Instant
    results: list[ResultOut]
    counts: BatchCountsOut


def render_batch(asked: Sequence[Asked], decided: Decided, *, at: datetime) -> Response:
    """Write the answer as ``BatchOut`` describes it."""
    lines = decided.lines
    allow, unusable = lines.count(ALLOW), lines.count(UNUSABLE)
    allowed, unread = _written(ALLOW), _written(UNUSABLE)
    endings = [
        allowed if line is ALLOW else unread if line is UNUSABLE else _written(line)
        for line in lines
    ]
    refs = ["null" if ref is None else encode_basestring(ref) for ref, _, _ in asked]
    results = ",".join(
        [f'{{"ref":{ref},{ending}}}' for ref, ending in zip(refs, endings, strict=True)]
    )
    answer = (
        f'{{"position":{decided.position},"checked_at":"{wire_time(at)}","results":[{results}],'
        f'"counts":{{"allow":{allow},"block":{len(lines) - allow - unusable},'
        f'"unusable":{unusable}}}}}'
    )
    return Response(answer, media_type="application/json")


def _written(line: Line) -> str:
    code = f'"{line.code}"' if line.code else "null"
    since = f'"{wire_time(line.since)}"' if line.since else "null"
    return f'"decision":"{line.decision}","code":{code},"since":{since}'
