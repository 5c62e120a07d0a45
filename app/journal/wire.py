"""The words of an entry as every room's routes take and show them: a word outside, a number inside.

It stands here, not in each ``api.py``, so that a word is spelled and documented in one place.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from .propagation import Result
from .words import ALL_MEDIA, Kind, Media, Reason, Word

W = TypeVar("W", bound=Word)


def _one_of(kind: type[W]) -> Callable[[object], W]:
    """Make the reader of one word; it refuses others without repeating them."""

    def read(value: object) -> W:
        if isinstance(value, kind):
            return value
        if isinstance(value, str) and value in words:
            return kind.of(value)
        raise ValueError("one of " + ", ".join(words) + " is needed")

    words = [member.word for member in kind]
    return read


def _schema(kind: type[Word]) -> dict[str, Any]:
    """Write the JSON schema of a word."""
    return {"type": "string", "enum": [member.word for member in kind]}


def _show(value: Word | Media) -> str:
    """Spell a word or a single medium."""
    return value.word


def _medium(value: object) -> Media:
    if isinstance(value, Media):
        return value
    if isinstance(value, str) and value in _MEDIA_WORDS:
        return Media.of([value])
    raise ValueError("one of " + ", ".join(_MEDIA_WORDS) + " is needed")


def _media(value: object) -> Media:
    if isinstance(value, Media):
        return value
    if not isinstance(value, list) or not 1 <= len(value) <= len(ALL_MEDIA):
        raise ValueError(f"a list of 1 to {len(ALL_MEDIA)} media is needed")
    read = Media(0)
    for word in value:
        read |= _medium(word)
    return read


def _show_media(media: Media) -> list[str]:
    return media.words


_MEDIA_WORDS = [medium.word for medium in ALL_MEDIA]
_MEDIUM_SCHEMA: dict[str, Any] = {"type": "string", "enum": _MEDIA_WORDS}
_MEDIA_SCHEMA: dict[str, Any] = {"type": "array", "items": _MEDIUM_SCHEMA, "maxItems": 5}

KindWord = Annotated[
    Kind,
    BeforeValidator(_one_of(Kind)),
    PlainSerializer(_show, return_type=str),
    WithJsonSchema(_schema(Kind)),
]
"""What sort of contact point it is."""

ReasonWord = Annotated[
    Reason,
    BeforeValidator(_one_of(Reason)),
    PlainSerializer(_show, return_type=str),
    WithJsonSchema(_schema(Reason)),
]
"""Why a contact point is suppressed."""

ResultWord = Annotated[
    Result,
    BeforeValidator(_one_of(Result)),
    PlainSerializer(_show, return_type=str),
    WithJsonSchema(_schema(Result)),
]
"""What a database says it did with an entry."""

MediumWord = Annotated[
    Media,
    BeforeValidator(_medium),
    PlainSerializer(_show, return_type=str),
    WithJsonSchema(_MEDIUM_SCHEMA),
]
"""One medium."""

MediaWords = Annotated[
    Media,
    BeforeValidator(_media),
    PlainSerializer(_show_media, return_type=list[str]),
    WithJsonSchema(_MEDIA_SCHEMA, mode="serialization"),
    WithJsonSchema(_MEDIA_SCHEMA | {"minItems": 1}, mode="validation"),
]
"""A set of media, as a list of words in the order of the contract; asked for, it is not empty."""
