"""Mailgun's webhooks: one event a request, with an HMAC over a time and a token, not the body.

So a token counts once: with another body it is a forgery made of a signature that was overheard.
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.journal import Kind, Media

from .event import NOTHING, Act, Dialect, Event, Fields, NotGenuine, Options, Request, Unreadable
from .reading import epoch, kept, optional, parse_json, require_fresh, require_signature, text

_ACTS = {
    "unsubscribed": Act.UNSUBSCRIBE,
    "complained": Act.COMPLAINT,
    "delivered": Act.DELIVERED,
}
_BOUNCED = ("bounce", "suppress-bounce")
"""Reasons of a permanent failure that are about the address; the others are about the sender."""


def _verify(request: Request, secret: str, _options: Options, at: datetime) -> str:
    try:
        signature = _part(parse_json(request), "signature")
        token, signed_at = text(signature, "token"), text(signature, "timestamp")
        when = epoch(signature, "timestamp")
    except Unreadable:
        raise NotGenuine("no-signature") from None
    signed = (signed_at + token).encode("utf-8", "surrogatepass")
    require_signature(secret, signed, optional(signature, "signature") or "")
    require_fresh(when, at)
    return token


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    event = _part(parse_json(request), "event-data")
    fields = kept(event, "id", "event", "severity", "reason", "recipient", "timestamp")
    mailing_list, domain = event.get("mailing-list"), event.get("domain")
    if isinstance(mailing_list, Mapping):
        fields["mailing-list"] = optional(mailing_list, "address")
    if isinstance(domain, Mapping):
        fields["domain"] = optional(domain, "name")
    return [fields]


def _part(body: object, name: str) -> Mapping[str, Any]:
    part = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(part, Mapping):
        raise Unreadable(f"no-{name}")
    return part


def _translate(fields: Fields, _options: Options) -> Event:
    word = text(fields, "event")
    act = _ACTS.get(word, Act.NOTHING)
    if (word, fields.get("severity")) == ("failed", "permanent"):
        act = Act.HARD_BOUNCE if fields.get("reason") in _BOUNCED else Act.NOTHING
    if act is Act.NOTHING:
        return NOTHING
    return Event(
        act,
        [(Kind.EMAIL, text(fields, "recipient"))],
        id=optional(fields, "id"),
        occurred_at=epoch(fields, "timestamp"),
        media=Media.EMAIL,
        brand_hint=optional(fields, "mailing-list") or optional(fields, "domain"),
        evidence="email",
    )


DIALECT = Dialect(_verify, _split, _translate)
