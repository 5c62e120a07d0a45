"""Mailjet's event API: an event a request, or a list of them in its version 2; it signs nothing.

The address that it is given carries credentials, which come as HTTP basic authentication.
https://dev.mailjet.com/email/guides/webhooks/
"""

from collections.abc import Sequence
from datetime import datetime

from app.journal import Kind, Media

from .event import NOTHING, Act, Dialect, Event, Fields, Options, Request
from .reading import epoch, kept, optional, parse_events, require_credentials, text

_ACTS = {"unsub": Act.UNSUBSCRIBE, "spam": Act.COMPLAINT, "sent": Act.DELIVERED}
"""``sent`` is what it says once the recipient's server has taken the mail."""
_KEPT = ("event", "email", "time", "MessageID", "hard_bounce", "mj_list_id", "mj_campaign_id")


def _verify(request: Request, secret: str, options: Options, _at: datetime) -> None:
    require_credentials(request, secret, options)


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    return [kept(one, *_KEPT) for one in parse_events(request)]


def _translate(fields: Fields, _options: Options) -> Event:
    word = text(fields, "event")
    act = _ACTS.get(word, Act.NOTHING)
    if word == "bounce" and fields.get("hard_bounce") is True:
        act = Act.HARD_BOUNCE
    if act is Act.NOTHING:
        return NOTHING
    named = optional(fields, "mj_list_id")
    return Event(
        act,
        [(Kind.EMAIL, text(fields, "email"))],
        occurred_at=epoch(fields, "time"),
        media=Media.EMAIL,
        brand_hint=None if named == "0" else named,
        evidence="email",
    )


DIALECT = Dialect(_verify, _split, _translate)
