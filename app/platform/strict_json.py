"""JSON as RFC 8259 allows it, of which each member stands once.

It stands on the ground because bodies and fields of forms are read alike. Readers that take the
last of two members of one name answer about another person than the first, and nobody is told.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pydantic_core

Document = Any
"""What JSON holds: anything."""
_APART = (b" :", b"\t:", b"\n:", b"\r:")
_NAME_ENDS = re.compile(rb'"[ \t\n\r]*:')


class SaidTwice(Exception):  # noqa: N818 - it says what is wrong, and `StrictRequest` refuses it
    """An object has two members of one name; ``path`` leads to them."""

    def __init__(self, path: tuple[str | int, ...]) -> None:
        """Take the names and indexes that lead to the member."""
        super().__init__("a member stands twice")
        self.path = path


class _Twice:
    """Stands in a document for an object with two members of one name."""

    def __init__(self, name: str) -> None:
        self.name = name


def read_json(text: bytes) -> Document:
    """Read a document; NaN, byte order marks, other encodings and absurd depths are none.

    Raises:
        ValueError: it is no JSON.
        SaidTwice: a member stands twice.
    """
    document = pydantic_core.from_json(text, allow_inf_nan=False, cache_strings="keys")
    # To read all twice would cost more than the reading itself.
    if not _has_lost_none(text, document):
        require_once(text)
    return document


def read_field(value: object) -> object:
    """Read JSON that stands in a field of a form; what is no text is left as it is.

    Raises:
        ValueError: it is no JSON, or a member stands twice.
    """
    if not isinstance(value, str):
        return value
    try:
        return read_json(value.encode())
    except SaidTwice:
        raise ValueError("a name stands twice in it, and only one can count") from None
    except ValueError:
        raise ValueError("a JSON object is needed") from None


def require_once(text: bytes) -> None:
    """See that no member of a document that can be read stands twice.

    Raises:
        SaidTwice: one does.
    """
    # Numbers stay texts: Python refuses the longest.
    seen = json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str)
    for path in _paths(seen, ()):
        raise SaidTwice(path)


def _has_lost_none(text: bytes, document: Document) -> bool:
    """Tell whether there are as many members as names in the text, the cheapest count first.

    Each member takes a colon; where none stands apart from its name, those behind a quote are all.
    """
    few = _few_members(document)
    return (
        text.count(b":") == few
        or (text.count(b'":') == few and not any(apart in text for apart in _APART))
        or _names(text) == _members(document)
    )


def _names(text: bytes) -> int:
    """Count what may be the name of a member: a colon within a text is none, save after a quote."""
    return len(_NAME_ENDS.findall(text))


def _members(document: Document) -> int:
    """Count all members, however deep they stand."""
    count, todo = 0, [document]
    for value in todo:
        if type(value) is dict:
            count += len(value)
            todo += [each for each in value.values() if type(each) is dict or type(each) is list]
        elif type(value) is list:
            todo += value
    return count


def _few_members(document: Document) -> int:
    """Count the members of an object, and of the objects that stand in it or in its lists."""
    if type(document) is not dict:
        return 0
    count = len(document)
    for value in document.values():
        if type(value) is dict:
            count += len(value)
        elif type(value) is list and {*map(type, value)} == {dict}:
            count += sum(map(len, value))
    return count


def _once(pairs: list[tuple[str, Document]]) -> Document:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
    return _Twice(name)


def _paths(seen: Document, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(seen, _Twice):
        yield (*path, seen.name)
    elif isinstance(seen, dict):
        for name, value in seen.items():
            yield from _paths(value, (*path, name))
    elif isinstance(seen, list):
        for index, value in enumerate(seen):
            yield from _paths(value, (*path, index))
