"""What dialects read with: JSON, texts, times, and signatures compared in constant time. Pure."""

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pydantic_core

from .event import Fields, NotGenuine, Options, Request, Unreadable

DAY = timedelta(days=1)
"""How old a signature may be: providers try again for hours, and sign once."""
AHEAD = timedelta(minutes=5)
_LONGEST = 2_000
_MOST_EVENTS = 20_000
_MILLISECONDS = 100_000_000_000
"""From here on a number is no count of seconds: the year would be past 5000."""


def parse_json(request: Request) -> Any:  # noqa: ANN401 - JSON is anything
    """Read a body as JSON.

    Raises:
        Unreadable: it is none, or not in UTF-8, or too deep.
    """
    try:
        return pydantic_core.from_json(request.body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        raise Unreadable("not-json") from None


def parse_events(request: Request) -> list[Mapping[str, Any]]:
    """Read a body that is one event or a list of events; what is no object stays an empty one.

    Raises:
        Unreadable: it is neither, or there are too many.
    """
    return as_events(parse_json(request))


def as_events(value: object) -> list[Mapping[str, Any]]:
    """Read a value that is one event or a list of events, as ``parse_events``."""
    events = value if isinstance(value, list) else [value]
    if len(events) > _MOST_EVENTS:
        raise Unreadable("too-many-events")
    return [one if isinstance(one, Mapping) else {} for one in events]


def kept(event: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Keep some members of an event; long texts are cut, and what is no plain value stays out."""
    return {name: one for name in names if (one := _plain(event.get(name))) is not None}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Sequence):
        return [one for each in value[:100] if (one := _plain(each)) is not None]
    return None


def text(fields: Fields, name: str) -> str:
    """Read a text that must be there.

    Raises:
        Unreadable: it is missing, empty or no text.
    """
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"no-{name.lower().replace('_', '-')}"[:60])
    return value


def optional(fields: Fields, name: str) -> str | None:
    """Read a text or a whole number as text, None where there is none."""
    value = fields.get(name)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def epoch(fields: Fields, name: str) -> datetime | None:
    """Read a time in seconds (or milliseconds) since 1970, a number or a text; None: none there.

    Raises:
        Unreadable: it is no such time.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
        if seconds >= _MILLISECONDS:
            seconds /= 1_000
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Unreadable("no-time") from None


def instant(fields: Fields, name: str) -> datetime | None:
    """Read a time in RFC 3339 or ISO 8601; None: none there. One without offset is UTC.

    Raises:
        Unreadable: it is no such time.
    """
    value = optional(fields, name)
    if value is None:
        return None
    try:
        # Seven decimals are some providers' way; Python takes six.
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Unreadable("no-time") from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def require_fresh(signed_at: datetime | None, at: datetime, *, most: timedelta = DAY) -> None:
    """Refuse what was signed too long ago, or is not yet.

    Raises:
        NotGenuine: it was, or says no time.
    """
    if signed_at is None or not at - most <= signed_at <= at + AHEAD:
        raise NotGenuine("stale")


def require_same(given: str | bytes, expected: str | bytes) -> None:
    """Compare a signature in constant time.

    Raises:
        NotGenuine: it is another one.
    """
    if not hmac.compare_digest(_bytes(given), _bytes(expected)):
        raise NotGenuine("bad-signature")


def require_signature(secret: str, signed: bytes, given: str) -> None:
    """Compare an HMAC with SHA-256 in hexadecimal.

    Raises:
        NotGenuine: it is another one, or missing.
    """
    if not given:
        raise NotGenuine("no-signature")
    require_same(given.lower(), hmac.digest(secret.encode(), signed, hashlib.sha256).hex())


def require_credentials(request: Request, secret: str, options: Options) -> None:
    """Ask for what providers send that sign nothing: the secret, over TLS.

    ``user:password`` is HTTP basic authentication; anything else its password, whoever the user, a
    bearer token, or the value of the header that the option ``header`` names.

    Raises:
        NotGenuine: it is not there, or another one.
    """
    name = options.get("header")
    if isinstance(name, str) and name.lower() != "authorization":
        given: str | bytes = request.header(name.lower())
    else:
        scheme, _, rest = request.header("authorization").partition(" ")
        given = rest.strip()
        if scheme.lower() == "basic":
            try:
                given = b64decode(given, validate=True)
            except ValueError:
                raise NotGenuine("bad-signature") from None
            if ":" not in secret:
                given = given.partition(b":")[2]
    if not given:
        raise NotGenuine("no-signature")
    require_same(given, secret)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
