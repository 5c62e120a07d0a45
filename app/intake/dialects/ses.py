"""Amazon SES through SNS: notifications and event publishing, signed by a certificate of SNS.

The option ``topic_arn`` (one, or a list) names the topics that count: anybody may have a topic
that SNS signs for. Raw message delivery must be off, for it leaves the signature out.
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pydantic_core
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from app.journal import Kind, Media

from .event import NOTHING, Act, Dialect, Event, Fields, NotGenuine, Options, Request, Unreadable
from .reading import instant, kept, optional, parse_json, require_fresh, text

_OF_SNS = r"https://sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?/"
_CERTIFICATE = re.compile(_OF_SNS + r"SimpleNotificationService-[A-Za-z0-9]{1,80}\.pem")
_SUBSCRIBE = re.compile(_OF_SNS + r"\?[A-Za-z0-9=&:%._~+-]{1,1800}")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_HASHES = {"1": SHA1, "2": SHA256}
_MOST_RECIPIENTS = 1_000


def _needs(request: Request, options: Options) -> Sequence[str]:
    envelope = _envelope(request)
    if optional(envelope, "TopicArn") not in _topics(options):
        raise NotGenuine("another-topic")
    address = text(envelope, "SigningCertURL")
    if not _CERTIFICATE.fullmatch(address):
        raise NotGenuine("certificate-elsewhere")
    return [address]


def _verify(request: Request, _secret: str, _options: Options, at: datetime) -> None:
    envelope = _envelope(request)
    names = _SIGNED.get(text(envelope, "Type"))
    hashed = _HASHES.get(optional(envelope, "SignatureVersion") or "")
    if names is None or hashed is None:
        raise NotGenuine("unknown-signature")
    try:
        signature = b64decode(text(envelope, "Signature"), validate=True)
        key = _key(request.fetched[text(envelope, "SigningCertURL")], at)
        key.verify(signature, _signed(envelope, names), PKCS1v15(), hashed())
        when = instant(envelope, "Timestamp")
    except (InvalidSignature, binascii.Error, ValueError, KeyError, Unreadable):
        raise NotGenuine("bad-signature") from None
    require_fresh(when, at)


def _key(pem: bytes, at: datetime) -> RSAPublicKey:
    certificate = x509.load_pem_x509_certificate(pem)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise NotGenuine("certificate-expired")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise NotGenuine("bad-signature")
    return key


def _signed(envelope: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """Write what is signed: each name and value on a line of its own; no subject, no line."""
    lines = [f"{name}\n{value}\n" for name in names if isinstance(value := envelope.get(name), str)]
    return "".join(lines).encode("utf-8", "surrogatepass")


def _topics(options: Options) -> Sequence[str]:
    named = options.get("topic_arn")
    if isinstance(named, list):
        return named
    return [named] if isinstance(named, str) else []


def _envelope(request: Request) -> Mapping[str, Any]:
    envelope = parse_json(request)
    if not isinstance(envelope, Mapping):
        raise Unreadable("no-envelope")
    return envelope


def _visits(request: Request) -> Sequence[str]:
    envelope = _envelope(request)
    if envelope.get("Type") != "SubscriptionConfirmation":
        return []
    address = text(envelope, "SubscribeURL")
    if not _SUBSCRIBE.fullmatch(address):
        raise NotGenuine("subscription-elsewhere")
    return [address]


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    envelope = _envelope(request)
    if envelope.get("Type") != "Notification":
        return []
    try:
        message = pydantic_core.from_json(text(envelope, "Message"), allow_inf_nan=False)
    except ValueError:
        # SES says in plain words that a destination was set up.
        return []
    if not isinstance(message, Mapping):
        return []
    return list(_cut(message))


def _cut(message: Mapping[str, Any]) -> Iterator[Fields]:
    """Cut a message into one event for each recipient, or each topic of a contact list."""
    kind = optional(message, "eventType") or optional(message, "notificationType") or ""
    part = _part(message, {"Bounce": "bounce", "Complaint": "complaint"}.get(kind, kind.lower()))
    mail = _part(message, "mail")
    base: dict[str, Any] = {"type": kind, "messageId": optional(mail, "messageId")}
    base |= kept(
        part,
        *("timestamp", "feedbackId", "bounceType", "bounceSubType", "complaintSubType"),
        *("complaintFeedbackType", "contactList"),
    )
    match kind:
        case "Bounce" | "Complaint":
            for one in _list(part, "bouncedRecipients" if kind == "Bounce" else _COMPLAINED):
                yield base | kept(one if isinstance(one, Mapping) else {}, "emailAddress")
        case "Delivery":
            for one in _list(part, "recipients"):
                yield base | {"emailAddress": one}
        case "Subscription":
            for one in _list(mail, "destination"):
                for change in _changes(part):
                    yield base | {"emailAddress": one} | change
        case _:
            yield base


_COMPLAINED = "complainedRecipients"


def _changes(subscription: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Tell what changed in a contact list: all of it, and each topic that was switched."""
    new, old = _part(subscription, "newTopicPreferences"), _part(subscription, _OLD)
    if bool(new.get("unsubscribeAll")) != bool(old.get("unsubscribeAll")):
        yield {"status": "OptOut" if new.get("unsubscribeAll") else "OptIn"}
    before = _topics_of(old)
    for topic, status in _topics_of(new).items():
        if before.get(topic) != status:
            yield {"topic": topic, "status": status}


_OLD = "oldTopicPreferences"


def _topics_of(preferences: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(one.get("topicName")): str(one.get("subscriptionStatus"))
        for one in _list(preferences, "topicSubscriptionStatus")
        if isinstance(one, Mapping)
    }


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}


def _list(whole: Mapping[str, Any], name: str) -> list[Any]:
    found = whole.get(name)
    if not isinstance(found, list):
        return []
    if len(found) > _MOST_RECIPIENTS:
        raise Unreadable("too-many-recipients")
    return found


def _translate(fields: Fields, _options: Options) -> Event:
    act = _act(fields)
    if act is Act.NOTHING:
        return NOTHING
    return Event(
        act,
        [(Kind.EMAIL, text(fields, "emailAddress"))],
        occurred_at=instant(fields, "timestamp"),
        media=Media.EMAIL,
        brand_hint=optional(fields, "topic") or optional(fields, "contactList"),
        evidence="email",
    )


def _act(fields: Fields) -> Act:
    """Tell what somebody did. What SES's own lists held back is no new act of anybody."""
    listed = "OnAccountSuppressionList"
    match fields.get("type"):
        case "Bounce" if fields.get("bounceType") == "Permanent":
            return Act.NOTHING if fields.get("bounceSubType") == listed else Act.HARD_BOUNCE
        case "Complaint" if fields.get("complaintSubType") != listed:
            # Somebody found it in a spam folder and said that it is none.
            mistaken = fields.get("complaintFeedbackType") == "not-spam"
            return Act.NOTHING if mistaken else Act.COMPLAINT
        case "Delivery":
            return Act.DELIVERED
        case "Subscription":
            return {"OptOut": Act.UNSUBSCRIBE, "OptIn": Act.RESUBSCRIBE}.get(
                text(fields, "status"), Act.NOTHING
            )
    return Act.NOTHING


DIALECT = Dialect(_verify, _split, _translate, needs=_needs, visits=_visits, has_secret=False)
