"""Text messages of any provider, as a form, JSON or flat XML, mapped by the channel's options.

`sender`, `text`, `id`, `time` and `recipient` name the fields, deeper ones as `message.from`;
`list` names the array of messages, where one request brings many; `national` says that numbers come
without their country's code; `every` is `stop` at an address to which only stops are sent, whatever
they say. What proves the sender is the
secret itself: as the password of HTTP basic authentication, as a bearer token, in the header that
`header` names or in the field that `token` names; or, better, an HMAC of the body in the header
that `signature` names, hexadecimal or base64, by `algorithm` (`sha256`, or `sha1`, `sha512`).
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl
from xml.parsers.expat import ExpatError, ParserCreate

from .event import Dialect, Event, Fields, NotGenuine, Options, Reply, Request, Taken, Unreadable
from .reading import (
    as_events,
    epoch,
    instant,
    kept,
    optional,
    parse_json,
    require_credentials,
    require_same,
    text,
)
from .texting import LONGEST, said

_MOST_BYTES = 4_194_304
_MOST_FIELDS = 1_000
_LONG = 9
_ALGORITHMS = {"sha256": hashlib.sha256, "sha1": hashlib.sha1, "sha512": hashlib.sha512}
_USUAL = {"sender": "from", "text": "text", "id": "id", "time": "time", "recipient": "to"}


def _verify(request: Request, secret: str, options: Options, _at: datetime) -> None:
    signature, token = options.get("signature"), options.get("token")
    if isinstance(signature, str):
        _require_mac(request, secret, options, request.header(signature.lower()))
    elif isinstance(token, str):
        try:
            given = _at_path(_read(request), token)
        except Unreadable:
            raise NotGenuine("no-signature") from None
        if not isinstance(given, str) or not given:
            raise NotGenuine("no-signature")
        require_same(given, secret)
    else:
        require_credentials(request, secret, options)


def _require_mac(request: Request, secret: str, options: Options, given: str) -> None:
    algorithm = _ALGORITHMS.get(str(options.get("algorithm", "sha256")).lower())
    if not given or algorithm is None:
        raise NotGenuine("no-signature" if algorithm else "unknown-algorithm")
    mac = hmac.digest(secret.encode(), request.body, algorithm)
    # Some write the algorithm before it: `sha256=…`.
    offered = given.partition("=")[2] if given.lower().startswith("sha") else given
    in_hex = len(offered) == 2 * len(mac)
    require_same(
        offered.lower() if in_hex else offered, mac.hex() if in_hex else b64encode(mac).decode()
    )


def _split(request: Request, options: Options) -> Sequence[Fields]:
    body = _read(request)
    listed = options.get("list")
    messages = _at_path(body, listed) if isinstance(listed, str) else body
    if messages is None:
        raise Unreadable("no-list")
    return [_fields(one, options) for one in as_events(messages)]


def _fields(message: Mapping[str, Any], options: Options) -> Fields:
    found = {
        name: _at_path(message, str(options.get(name, usual))) for name, usual in _USUAL.items()
    }
    plain = kept(found, *_USUAL)
    if "id" not in plain and "time" not in plain:
        # Else what somebody says again, months later, would be taken for the same message.
        plain["id"] = token_hex(16)
    said = "STOP" if options.get("every") == "stop" else str(plain.get("text", ""))
    return plain | {"text": said[:LONGEST]}


def _at_path(value: object, path: str) -> Any:  # noqa: ANN401 - as JSON is
    """Follow a path of names; None where it leads nowhere. A name with dots in it comes first."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _read(request: Request) -> Any:  # noqa: ANN401 - as JSON is
    kind = request.header("content-type").partition(";")[0].strip().lower()
    body = request.body.lstrip()
    if kind.endswith("xml") or body.startswith(b"<"):
        return _read_xml(body)
    if kind.endswith("json") or body.startswith((b"{", b"[")):
        return parse_json(request)
    try:
        # To the byte, for the charset is known by no header.
        pairs = parse_qsl(
            body.decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            encoding="latin-1",
        )
    except ValueError:
        raise Unreadable("not-a-form") from None
    return {_decoded(name): _decoded(value) for name, value in pairs}


def _decoded(value: str) -> str:
    """Decode bytes written as latin-1: UTF-8, else what many still send."""
    written = value.encode("latin-1")
    try:
        return written.decode()
    except UnicodeDecodeError:
        return written.decode("cp1252", "replace")


def _read_xml(body: bytes) -> dict[str, str]:
    """Read the texts of a flat document by their elements' names; it may declare nothing."""
    found: dict[str, str] = {}
    names: list[str] = []
    parser = ParserCreate()

    def begin(name: str, _attributes: object) -> None:
        names.append(name)
        if len(names) > _MOST_FIELDS or len(found) > _MOST_FIELDS:
            raise Unreadable("not-xml")

    def write(words: str) -> None:
        found[names[-1]] = found.get(names[-1], "") + words

    def declare(*_any: object) -> None:
        raise Unreadable("not-xml")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _name: names.pop() and None
    parser.CharacterDataHandler = write
    parser.StartDoctypeDeclHandler = declare
    parser.buffer_text = True
    try:
        parser.Parse(body, True)  # noqa: FBT003 - the library's own: this is all of it
    except ExpatError:
        raise Unreadable("not-xml") from None
    # Between elements that hold others there is white space.
    return {name: value for name, text in found.items() if (value := text.strip())}


def _translate(fields: Fields, options: Options) -> Event:
    sender = optional(fields, "sender") or text(fields, "sender")
    event = said(
        optional(fields, "text") or "",
        sender if options.get("national") is True else _international(sender),
        id=optional(fields, "id"),
        recipient=optional(fields, "recipient"),
        options=options,
    )
    return replace(event, occurred_at=_time(fields))


def _international(sender: str) -> str:
    """Write a number as most providers mean it: the country's code first, without a sign."""
    plain = sender.strip()
    long = plain.isascii() and plain.isdecimal() and len(plain) >= _LONG
    return f"+{plain}" if long and not plain.startswith("0") else sender


def _time(fields: Fields) -> datetime | None:
    """Read the time; one that cannot be read is now, for no spelling of it may cost a STOP."""
    for read in (epoch, instant):
        try:
            return read(fields, "time")
        except Unreadable:
            continue
    return None


def _reply(_taken: Sequence[Taken], options: Options) -> Reply | None:
    """Answer nothing at all, where a provider asks for that."""
    return Reply(b"", "text/plain") if options.get("empty_reply") is True else None


DIALECT = Dialect(_verify, _split, _translate, reply=_reply, most_bytes=_MOST_BYTES)
