"""What every dialect speaks: a request cut into events, and what each event asks of us. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import unique
from typing import Any, Literal

from app.journal import Kind, Media, Reason, Word

Fields = Mapping[str, Any]
"""What a dialect read of one event, as JSON: all of it that is kept, and what it is replayed from.

No more than the translation needs: a name, a text or an address that nobody asks for stays out.
"""

Options = Mapping[str, Any]
"""The channel's own options of its door, as ``inbound.options`` of the contract."""

Contact = tuple[Kind, str]
"""A contact point as the provider writes it."""


class NotGenuine(Exception):  # noqa: N818 - it says what the request is
    """The request is not signed as the provider signs, or too old, or was seen before.

    ``reason`` is one stable word: it is counted and shown, and holds nothing of the request.
    """

    def __init__(self, reason: str) -> None:
        """Say why in one word."""
        super().__init__(reason)
        self.reason = reason


class Unreadable(Exception):  # noqa: N818 - as above
    """The request, or one event of it, does not have the shape that the provider documents.

    ``reason`` is as of ``NotGenuine``.
    """

    def __init__(self, reason: str) -> None:
        """Say why in one word."""
        super().__init__(reason)
        self.reason = reason


MISREAD = (Unreadable, ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What a translation may raise of an event that it cannot read."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: header names in lower case, the body to the byte.

    ``url`` is the address that the provider was given (under ``OPTOUT_PUBLIC_URL``, never from the
    Host header) with the query as sent, ``fetched`` what the dialect's ``needs`` asked for.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    fetched: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def header(self, name: str) -> str:
        """Give a header, empty if it is missing."""
        return self.headers.get(name, "")


@unique
class Act(Word):
    """What an event says somebody did; a number, once written, keeps its meaning.

    ``RESUBSCRIBE`` lifts what the same channel laid, by the person's own later act. ``REQUEST`` is
    a wish to be contacted again that proves nothing: it changes nothing, a person looks at it.
    ``UNCLEAR`` is somebody's own words that say nothing that we know: a person looks at it.
    ``DELIVERED`` may lift hard bounces. ``NOTHING`` is counted and dropped.
    """

    OBJECTION = 1
    REFUSAL = 2
    COMPLAINT = 3
    UNSUBSCRIBE = 4
    STOP_KEYWORD = 5
    CONSENT_WITHDRAWN = 6
    HARD_BOUNCE = 7
    RESUBSCRIBE = 20
    REQUEST = 21
    DELIVERED = 22
    UNCLEAR = 23
    NOTHING = 30

    @property
    def reason(self) -> Reason | None:
        """Tell as what it is recorded; None: it is no objection."""
        return Reason[self.name] if self.name in Reason.__members__ else None


@dataclass(frozen=True, slots=True)
class Event:
    """What one event says; what is left out the channel's options decide, else the widest.

    ``id`` is the provider's own: the same again is a no-op. Where it gives none, the fields are
    their own id. ``brand_hint`` is what tells brands apart there (a group, a list, a sender's
    number). ``review`` blocks at once and lets a person confirm or void it. ``by_person`` is false
    where a colleague or the provider did it: no such act lifts anything.

    ``tokens`` may be those of our links: the first that opens says who, for which brand and media,
    and where none opens the event is translated again without them. ``verified`` is false where
    nothing proves that the contact points are the person's. ``confirms``: the channel's option
    ``confirmation`` (``confirmation_fr`` for the ``language`` ``fr``) may be sent in the reply.
    """

    act: Act
    identifiers: Sequence[Contact] = field(default=(), repr=False)
    id: str | None = field(default=None, repr=False)
    occurred_at: datetime | None = None
    media: Media | None = None
    brand_hint: str | None = None
    review: bool = False
    by_person: bool = True
    tokens: Sequence[str] = field(default=(), repr=False)
    verified: bool = True
    language: str | None = None
    confirms: bool = False
    evidence: Literal["email", "letter", "sms", "web_form", "other"] = "other"


NOTHING = Event(Act.NOTHING)
"""What is no objection."""


@unique
class Outcome(Word):
    """What became of an event; a number, once written, keeps its meaning.

    ``DROPPED`` (no objection) and ``DUPLICATE`` are counted and not kept.
    """

    RECORDED = 1
    LIFTED = 2
    REFUSED = 3
    WAITING = 4
    DROPPED = 5
    DUPLICATE = 6


@dataclass(frozen=True, slots=True)
class Taken:
    """An event with what became of it; ``event`` is None where it could not be read.

    ``confirmation`` is what the person is to be told in the reply: once, and never again.
    """

    event: Event | None
    outcome: Outcome
    reason: str = ""
    confirmation: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider is answered."""

    body: bytes = field(repr=False)
    media_type: str = "application/json"
    status: int = 200


def _needs_nothing(_request: Request, _options: Options) -> Sequence[str]:
    return ()


def _visits_nothing(_request: Request) -> Sequence[str]:
    return ()


def _no_reply(_taken: Sequence[Taken], _options: Options) -> Reply | None:
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider speaks. Every function is pure, and bounded by the size of the request.

    But ``split`` may draw a name for an event that has none, so that the next is another one.

    ``verify(request, secret, options, at)`` raises ``NotGenuine``. It returns a token where the
    signature does not cover the body: the door lets the same token in again with the very same
    body only.

    ``split(request, options)`` cuts a verified request into events, each as the fields to keep;
    raises ``Unreadable`` where it cannot be cut.

    ``translate(fields, options)`` says what one event asks; raises one of ``MISREAD`` where it
    cannot: that event alone is refused and listed.

    ``needs(request, options)`` names what must be fetched before ``verify``, ``visits(request)``
    what must be visited after it: both through the guarded client, in zone ``public``. What needs
    something is not verified yet, so each address is judged by the dialect first (``NotGenuine``).

    ``reply(taken, options)`` is the provider's own answer (a confirmation); None: the counts.

    ``has_secret`` is false for a dialect that verifies without one. ``most_bytes`` bounds a body.
    """

    verify: Callable[[Request, str, Options, datetime], str | None]
    split: Callable[[Request, Options], Sequence[Fields]]
    translate: Callable[[Fields, Options], Event]
    needs: Callable[[Request, Options], Sequence[str]] = _needs_nothing
    visits: Callable[[Request], Sequence[str]] = _visits_nothing
    reply: Callable[[Sequence[Taken], Options], Reply | None] = _no_reply
    has_secret: bool = True
    most_bytes: int = 16_777_216
