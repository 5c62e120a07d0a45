"""Twilio SendGrid's event webhook: many events a request, signed with ECDSA over time and body.

The secret is the verification key that it shows for the signed event webhook. What it drops by
its own lists (``dropped``) is no new act of anybody: bring those lists once, by a file.
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.journal import Kind, Media

from .event import NOTHING, Act, Dialect, Event, Fields, NotGenuine, Options, Request, Unreadable
from .reading import epoch, kept, optional, parse_events, require_fresh, text

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_ACTS = {
    "unsubscribe": Act.UNSUBSCRIBE,
    "group_unsubscribe": Act.UNSUBSCRIBE,
    "group_resubscribe": Act.RESUBSCRIBE,
    "spamreport": Act.COMPLAINT,
    "delivered": Act.DELIVERED,
}


def _verify(request: Request, secret: str, _options: Options, at: datetime) -> None:
    given, signed_at = request.header(_SIGNATURE), request.header(_TIMESTAMP)
    if not given or not signed_at:
        raise NotGenuine("no-signature")
    try:
        signature = b64decode(given, validate=True)
        _key(secret).verify(signature, signed_at.encode() + request.body, ECDSA(SHA256()))
        when = epoch({"at": signed_at}, "at")
    except (InvalidSignature, binascii.Error, ValueError, Unreadable):
        raise NotGenuine("bad-signature") from None
    require_fresh(when, at)


@lru_cache(maxsize=100)
def _key(secret: str) -> EllipticCurvePublicKey:
    """Read a verification key: DER in base64."""
    try:
        key = load_der_public_key(b64decode(secret))
    except (ValueError, UnsupportedAlgorithm):
        raise NotGenuine("bad-secret") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise NotGenuine("bad-secret")
    return key


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    return [
        kept(one, "sg_event_id", "event", "type", "email", "timestamp", "asm_group_id")
        for one in parse_events(request)
    ]


def _translate(fields: Fields, _options: Options) -> Event:
    word = text(fields, "event")
    act = _ACTS.get(word, Act.NOTHING)
    # One that is blocked may pass tomorrow: the server refused the sender, not the address.
    if word == "bounce" and fields.get("type") != "blocked":
        act = Act.HARD_BOUNCE
    if act is Act.NOTHING:
        return NOTHING
    return Event(
        act,
        [(Kind.EMAIL, text(fields, "email"))],
        id=optional(fields, "sg_event_id"),
        occurred_at=epoch(fields, "timestamp"),
        media=Media.EMAIL,
        # A global unsubscribe is of no group, whichever the mail was sent to.
        brand_hint=None if word == "unsubscribe" else optional(fields, "asm_group_id"),
        evidence="email",
    )


DIALECT = Dialect(_verify, _split, _translate)
