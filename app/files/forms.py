"""Bodies that carry one file: ``multipart/form-data`` (RFC 7578), or the file and nothing else."""

import re
from typing import Literal, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.platform.problems import FieldError
from app.platform.refusals import InvalidRequest

FILE = "file"
"""The name of the part, or of the body as a whole, that is the file."""
_MOST_FIELDS = 50
_FIELD_BYTES = 65_536


class Fields(dict[str, str]):
    """What is said beside a file: texts by name, each name once, in a form or in the address."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._asked: set[str] = set()
        self.bare = True

    def ask(self, name: str, value: str) -> None:
        """Add a parameter of the address.

        Raises:
            InvalidRequest: there are too many, or it was said before.
        """
        self._asked.add(name)
        self.say(name, value)

    def say(self, name: str, value: str) -> None:
        """Add a field of the form.

        Raises:
            InvalidRequest: there are too many, or it was said before.
        """
        if name in self or len(self) == _MOST_FIELDS:
            raise refusal("Each field stands once, beside one file.", self.pointer(name))
        self[name] = value

    def place(self, name: str) -> Literal["query", "body"]:
        """Tell where a field stands, or belongs: beside a bare file there is the address alone."""
        return "query" if self.bare or name in self._asked else "body"

    def pointer(self, name: str) -> str:
        """Point to a field; its name is repeated only as far as it is one."""
        shown = name if re.fullmatch("[a-z0-9_]{1,64}", name) else "?"
        return f"/query/{shown}" if self.place(name) == "query" else f"/{shown}"


class Body(Protocol):
    """A body, as it comes in."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece: what of the file was in it."""

    def end(self) -> str | None:
        """Take the end: the file's name, where the body says one."""


def body_of(content_type: str, fields: Fields) -> Body:
    """Choose how a body is read by its content type; ``fields`` gathers what a form says.

    Raises:
        InvalidRequest: it is a form without a boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return _Bare()
    boundary = options.get(b"boundary", b"")
    fields.bare = False
    if not boundary or len(boundary) > 70:  # noqa: PLR2004 - RFC 2046, 5.1.1
        raise InvalidRequest("The form names no boundary.")
    return _Form(boundary, fields)


class _Bare:
    def feed(self, piece: bytes) -> list[bytes]:
        return [piece]

    def end(self) -> str | None:
        return None


class _Form:
    """A form; a field is held whole, within its limit, the file never."""

    def __init__(self, boundary: bytes, fields: Fields) -> None:
        self._fields = fields
        self._filename: str | None = None
        self._file_seen = self._ended = False
        self._name = ""
        self._value = bytearray()
        self._header = self._said = self._disposition = b""
        self._file: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> list[bytes]:
        self._file = []
        try:
            self._parser.write(piece)
        except FormParserError:
            raise InvalidRequest("The form is malformed.") from None
        return self._file

    def end(self) -> str | None:
        if not self._ended:
            raise InvalidRequest("The form breaks off before its end.")
        if not self._file_seen:
            raise refusal("A part named 'file' is needed.", f"/{FILE}")
        return self._filename

    def _begin(self) -> None:
        self._name = ""
        self._header = self._said = self._disposition = b""
        self._value.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._said += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._said
        self._header = self._said = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = self._text(options.get(b"name", b""))
        if self._name != FILE:
            return
        if self._file_seen:
            raise refusal("One file at a time.", f"/{FILE}")
        self._file_seen = True
        filename = options.get(b"filename")
        self._filename = None if filename is None else self._text(filename)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self._file.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _FIELD_BYTES:
            raise refusal("A field is too long.", self._fields.pointer(self._name))

    def _part_end(self) -> None:
        if self._name != FILE:
            self._fields.say(self._name, self._text(bytes(self._value), self._name))

    def _end(self) -> None:
        self._ended = True

    def _text(self, raw: bytes, name: str = FILE) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise refusal("A field is not in UTF-8.", self._fields.pointer(name)) from None


def refusal(detail: str, pointer: str) -> InvalidRequest:
    """Refuse a form because of one field."""
    return InvalidRequest(detail, errors=[FieldError(pointer, detail)])
