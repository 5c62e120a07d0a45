"""What a database's answer to a batch means. Pure: bytes in, verdict out, nothing raised.

The rules are the last paragraphs of "Databases and webhooks" in the contract. Where they leave a
doubt, the entry counts as not acknowledged: it is sent again, which is harmless.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

from app.journal import Report, Result
from app.platform.wire import parse_time

MAX_RETRY_AFTER = timedelta(hours=6)
_DELAYS = (1, 5, 15, 60, 120, 240, 480, 900)
_REFUSE_ALL = frozenset({401, 403, 404, 410, 429, 502, 503, 504})
_NOT_POISON = frozenset({401, 403, 404, 408, 409, 410, 413, 429})
_CLOCKS_AGREE = 60
"""Seconds that nobody needs to hear of; Standard Webhooks lets a clock be 300 off."""
_LOG_BYTES = 2_048
_EMAIL_LIKE = re.compile(
    r"[^\s@\"'<>():,;]{1,64}(?:@|%40|\\u0040)[^\s@\"'<>():,;]{1,255}", re.IGNORECASE
)
_PHONE_LIKE = re.compile(r"\+?[0-9](?:[ .()/-]{0,2}[0-9]){7,}")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Everything up to ``through`` is applied there; beyond it nothing is known.

    ``through`` may be ``previous``: nothing was taken, and the next try must wait like a failure's.
    ``dropped`` counts outcomes that could not be read.
    """

    through: int
    outcomes: tuple[Report, ...] = ()
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Rewind:
    """The first position that it still wants is ``expected``: the next batch begins there.

    It may lie before the batch, or inside it. A database that asks for the same one again and
    again must be spaced out like a failing one.
    """

    expected: int


@dataclass(frozen=True, slots=True)
class Gone:
    """It wants no more: pause it and tell a person."""


@dataclass(frozen=True, slots=True)
class Smaller:
    """The same start, with fewer entries."""

    error: str
    detail: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing was acknowledged: the same again, after ``after`` at the earliest where it is told.

    ``error`` is a stable word; ``detail`` is a sentence for ``last_error``.
    """

    after: timedelta | None
    error: str
    detail: str


Verdict = Acknowledged | Rewind | Gone | Smaller | Retry


def read_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    previous: int,
    to: int,
    at: datetime,
    cut: bool = False,
) -> Verdict:
    """Judge the answer to the batch of entries after ``previous`` up to ``to``.

    Header names are in lower case. ``cut``: the body was longer than what was read of it.
    """
    if 200 <= status < 300:  # noqa: PLR2004 - "2xx" in the contract
        return _read_success(headers, body, previous, to, cut=cut)
    if status == 409:  # noqa: PLR2004 - conflict: the database counts differently
        return _read_conflict(body, to)
    if status == 410:  # noqa: PLR2004 - gone
        return Gone()
    if status == 413:  # noqa: PLR2004 - content too large
        return Smaller("status-413", "the database finds the batch too large")
    if status in (429, 503):
        after = retry_after(headers.get("retry-after", ""), at)
        return Retry(after, f"status-{status}", f"the database answered {status}")
    return Retry(None, f"status-{status}", f"the database answered {status}")


def clock_fault(headers: Mapping[str, str], at: datetime) -> str | None:
    """Name how far a database's clock is off, by its header Date (RFC 9110, 6.6.1).

    None where it is less than a minute, or the header says nothing. Standard Webhooks lets
    receivers refuse what is five minutes off, and their own clock is what they seldom suspect.
    """
    try:
        seconds = (parsedate_to_datetime(headers.get("date", "")) - at).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    if abs(seconds) < _CLOCKS_AGREE:
        return None
    return f"its clock is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"


def concerns_the_batch(status: int | None) -> bool:
    """Tell whether a failure may lie in what was sent, so that other entries may be taken.

    Not where nobody answered, the whole registry is refused, or it was asked to wait.
    """
    return status is not None and status not in _REFUSE_ALL


def blames_an_entry(status: int | None) -> bool:
    """Tell whether an answer says that something sent is not to be had: a poison entry, perhaps."""
    return status is not None and 400 <= status < 500 and status not in _NOT_POISON  # noqa: PLR2004 - "4xx"


def next_delay(failures: int, random: Random) -> timedelta:
    """Draw the wait after so many failures in a row: anything up to 1, 5, 15, 60 s … 15 minutes.

    The whole span is drawn from (full jitter), so that databases that failed together do not come
    back together.
    """
    longest = _DELAYS[min(max(failures, 1), len(_DELAYS)) - 1]
    return timedelta(seconds=random.uniform(0, longest))


def excerpt(body: bytes) -> str:
    """Keep at most 2 KiB of an answer for the log: no NULs, and nothing like a contact point.

    Receivers echo what they were sent, and the log keeps no plain phone number or address.
    """
    text = body[: 2 * _LOG_BYTES].decode("utf-8", "replace").replace("\x00", "")
    masked = _PHONE_LIKE.sub("•••", _EMAIL_LIKE.sub("•••", text))
    return masked.encode()[:_LOG_BYTES].decode("utf-8", "ignore")


def _read_success(
    headers: Mapping[str, str], body: bytes, previous: int, to: int, *, cut: bool
) -> Verdict:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if body and encoding not in ("", "identity"):
        return Retry(
            None,
            "unreadable-answer",
            "the answer is compressed, though identity was asked for: it may acknowledge less",
        )
    if cut and _begins_an_object(body):
        return Smaller("too-large", "the answer is too long to read: it may acknowledge less")
    document = _object(body)
    if document is _UNREADABLE:
        return Retry(
            None, "unreadable-answer", "the answer is nested too deep or holds a huge number"
        )
    if document is None:
        return Acknowledged(to)
    through = document.get("acknowledged_through", to)
    if not _is_integer(through) or not previous <= through <= to:
        detail = f"acknowledged_through is not a position from {previous} to {to}"
        return Retry(None, "acknowledged-out-of-range", detail)
    told = document.get("outcomes")
    outcomes, dropped = _outcomes(told, previous, to) if told is not None else ((), 0)
    return Acknowledged(through, outcomes, dropped)


def _read_conflict(body: bytes, to: int) -> Verdict:
    document = _object(body)
    expected = None if document is None else document.get("expected_position")
    if expected is None:
        return Retry(None, "status-409", "the database answered 409 without an expected_position")
    if not _is_integer(expected) or not 1 <= expected <= to:
        detail = f"expected_position is not a position from 1 to {to}"
        return Retry(None, "expected-out-of-range", detail)
    return Rewind(expected)


_UNREADABLE: dict[str, Any] = {}
"""Stands for an object that is JSON but cannot be read; it is told by its identity."""


def _begins_an_object(body: bytes) -> bool:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"{")


def _object(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object; None for whatever is none."""
    if not _begins_an_object(body):
        return None
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    except (RecursionError, ValueError):
        return _UNREADABLE
    return document if isinstance(document, dict) else None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _outcomes(told: object, previous: int, to: int) -> tuple[tuple[Report, ...], int]:
    """Read outcomes one by one; of two about one position the later counts.

    One that cannot be read is dropped, and the acknowledgement stands: what the database did is a
    comment on an entry, and sending the batch for ever would not mend the comment.
    """
    if not isinstance(told, Sequence) or isinstance(told, str):
        return (), 1
    read = [_outcome(one, previous, to) for one in told]
    kept = {one.position: one for one in read if one is not None}
    return tuple(kept.values()), read.count(None)


def _outcome(told: object, previous: int, to: int) -> Report | None:
    if not isinstance(told, Mapping):
        return None
    position, cancelled = told.get("position"), told.get("contacts_cancelled")
    if not isinstance(position, int) or isinstance(position, bool) or not previous < position <= to:
        return None
    if cancelled is not None and (not _is_integer(cancelled) or not 0 <= cancelled < 2**31):
        return None
    try:
        applied_at = told.get("applied_at")
        return Report(
            position,
            Result.of(str(told.get("outcome"))),
            None if applied_at is None else parse_time(applied_at),
            cancelled,
        )
    except (KeyError, ValueError):
        return None


def retry_after(value: str, at: datetime) -> timedelta | None:
    """Read Retry-After (RFC 9110, 10.2.3), seconds or a date, as a wait of at most 6 hours."""
    if re.fullmatch("[0-9]+", value.strip()):
        digits = value.strip().lstrip("0") or "0"
        wait = timedelta(seconds=int(digits)) if len(digits) < 7 else MAX_RETRY_AFTER  # noqa: PLR2004 - far above the cap
        return min(wait, MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(aware - at, timedelta(0)), MAX_RETRY_AFTER)
