"""Postmark: bounces, spam complaints and changes of its suppression lists, one event a request.

It signs nothing; the address it is given carries credentials, which come as HTTP basic
authentication. https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from collections.abc import Sequence
from datetime import datetime

from app.journal import Kind, Media

from .event import NOTHING, Act, Dialect, Event, Fields, Options, Request, Unreadable
from .reading import instant, kept, optional, parse_events, require_credentials, text

_KEPT = {
    "Bounce": ("RecordType", "ID", "Type", "Email", "BouncedAt", "MessageStream"),
    "SpamComplaint": ("RecordType", "ID", "Type", "Email", "BouncedAt", "MessageStream"),
    "SubscriptionChange": (
        "RecordType",
        "MessageID",
        "Recipient",
        "Origin",
        "SuppressSending",
        "SuppressionReason",
        "ChangedAt",
        "MessageStream",
    ),
    "Delivery": ("RecordType", "MessageID", "Recipient", "DeliveredAt", "MessageStream"),
}
_BOUNCES = {
    "HardBounce": Act.HARD_BOUNCE,
    "BadEmailAddress": Act.HARD_BOUNCE,
    "SpamComplaint": Act.COMPLAINT,
    "SpamNotification": Act.COMPLAINT,
    "Unsubscribe": Act.UNSUBSCRIBE,
}
"""Of its types of bounce those that mean something to us; the others may pass by themselves."""
_SUPPRESSED = {
    "HardBounce": Act.HARD_BOUNCE,
    "SpamComplaint": Act.COMPLAINT,
    "ManualSuppression": Act.UNSUBSCRIBE,
}


def _verify(request: Request, secret: str, options: Options, _at: datetime) -> None:
    require_credentials(request, secret, options)


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    return [
        kept(one, *_KEPT.get(str(one.get("RecordType")), ("RecordType",)))
        for one in parse_events(request)
    ]


def _translate(fields: Fields, _options: Options) -> Event:
    match text(fields, "RecordType"):
        case "Bounce" | "SpamComplaint" as kind:
            known = Act.COMPLAINT if kind == "SpamComplaint" else None
            act = known or _BOUNCES.get(text(fields, "Type"), Act.NOTHING)
            return _event(fields, act, "Email", "BouncedAt")
        case "SubscriptionChange":
            return _change(fields)
        case "Delivery":
            return _event(fields, Act.DELIVERED, "Recipient", "DeliveredAt")
    return NOTHING


def _change(fields: Fields) -> Event:
    if not isinstance(fields.get("SuppressSending"), bool):
        raise Unreadable("no-suppresssending")
    if fields["SuppressSending"]:
        act = _SUPPRESSED.get(text(fields, "SuppressionReason"), Act.OBJECTION)
        return _event(fields, act, "Recipient", "ChangedAt")
    # Somebody of ours may reactivate an address there too, which is no act of the person's.
    by_person = fields.get("Origin") == "Recipient"
    return _event(fields, Act.RESUBSCRIBE, "Recipient", "ChangedAt", by_person=by_person)


def _event(fields: Fields, act: Act, who: str, when: str, *, by_person: bool = True) -> Event:
    if act is Act.NOTHING:
        return NOTHING
    number = optional(fields, "ID")
    return Event(
        act,
        [(Kind.EMAIL, text(fields, who))],
        id=number and f"{fields['RecordType']} {number}",
        occurred_at=instant(fields, when),
        media=Media.EMAIL,
        brand_hint=optional(fields, "MessageStream"),
        by_person=by_person,
        evidence="email",
    )


DIALECT = Dialect(_verify, _split, _translate)
