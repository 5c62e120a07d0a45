"""The types of what goes over the wire, each with its limits in the JSON schema.

They stand on the ground because every room's ``api.py`` writes its models with them: what one
of them lets through cannot make PostgreSQL or the serialiser fail.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_INFINITIES = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""What asyncpg takes for PostgreSQL's -infinity and infinity, and gives back without a zone."""

NO_NUL = r"^[^\x00]*$"
"""Pattern of any text without NUL, which PostgreSQL cannot keep."""


SEEN = r"^[^\x00]*[^\x00\s][^\x00]*$"
"""Pattern of a text without NUL in which something can be seen."""


class WireModel(BaseModel):
    """A request: unknown fields are refused, and nobody changes it after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """An answer, as a route returns it."""

    model_config = ConfigDict(frozen=True)


def text(most: int, *, least: int = 1) -> FieldInfo:
    """Bound the length of a string and keep NUL out of it.

    As in ``name: Annotated[str, text(120)]``.
    """
    field: FieldInfo = Field(min_length=least, max_length=most, pattern=NO_NUL)
    return field


def parse_time(value: object) -> datetime:
    """Read an RFC 3339 time with its offset, or an aware datetime, as UTC.

    Raises:
        ValueError: it is anything else; the message does not repeat it.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError:
            raise ValueError("no such day or time of day") from None
    if isinstance(value, str) and _RFC3339.fullmatch(value.replace(" ", "+")):
        raise ValueError("in an address the + of an offset is written %2B: there + is a space")
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time in RFC 3339 with its offset is needed, as 2026-01-31T09:30:00Z")
    try:
        instant = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999 in UTC is needed") from None
    if instant in _INFINITIES:
        raise ValueError("a time between the years 1 and 9999 in UTC is needed")
    return instant


def wire_time(at: datetime) -> str:
    """Write an instant as the wire shows it: RFC 3339, UTC, always six decimals, ``Z``."""
    return at.astimezone(UTC).isoformat("T", "microseconds")[:-6] + "Z"


Slug = Annotated[str, Field(pattern="^[a-z0-9-]{1,64}$", max_length=64)]
"""The name of a brand, party, channel or database."""

Instant = Annotated[
    datetime,
    BeforeValidator(parse_time),
    PlainSerializer(wire_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time: RFC 3339 with any offset on the way in, UTC in the code, ``Z`` on the way out."""

Whole = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
"""A count or a position: 0 and above, and within PostgreSQL's bigint. No text, no true."""

Flag = Annotated[bool, Field(strict=True)]
"""A true or false that is written as one."""

Json = dict[str, Any]
"""A JSON object of any members."""
