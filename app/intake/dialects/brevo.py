"""Brevo's webhooks, marketing and transactional: they sign nothing and carry credentials.

Its ``id`` is the webhook's own, so that an event is known by all that it says. That a contact
was added to a list is no act of the person's: colleagues and imports do it too.
https://developers.brevo.com/docs/marketing-webhooks
https://developers.brevo.com/docs/transactional-webhooks
"""

from collections.abc import Sequence
from datetime import datetime

from app.journal import Kind, Media

from .event import NOTHING, Act, Dialect, Event, Fields, Options, Request
from .reading import epoch, kept, parse_events, require_credentials, text

_ACTS = {
    "unsubscribe": Act.UNSUBSCRIBE,
    "unsubscribed": Act.UNSUBSCRIBE,
    "spam": Act.COMPLAINT,
    "hard_bounce": Act.HARD_BOUNCE,
    "invalid_email": Act.HARD_BOUNCE,
    "delivered": Act.DELIVERED,
}
_KEPT = ("event", "email", "ts_epoch", "ts_event", "camp_id", "list_id", "message-id")


def _verify(request: Request, secret: str, options: Options, _at: datetime) -> None:
    require_credentials(request, secret, options)


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    return [kept(one, *_KEPT) for one in parse_events(request)]


def _translate(fields: Fields, _options: Options) -> Event:
    act = _ACTS.get(text(fields, "event"), Act.NOTHING)
    if act is Act.NOTHING:
        return NOTHING
    # The other times that it gives are local to the account.
    when = epoch(fields, "ts_event") or epoch(fields, "ts_epoch")
    return Event(
        act,
        [(Kind.EMAIL, text(fields, "email"))],
        occurred_at=when,
        media=Media.EMAIL,
        brand_hint=_list_of(fields),
        evidence="email",
    )


def _list_of(fields: Fields) -> str | None:
    """Name the one list that it is about; of several it may be any, so none is named."""
    lists = fields.get("list_id")
    if isinstance(lists, Sequence) and not isinstance(lists, str):
        return str(lists[0]) if len(lists) == 1 else None
    return None if lists is None else str(lists)


DIALECT = Dialect(_verify, _split, _translate)
