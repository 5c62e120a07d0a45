"""Amazon SES through SNS, in the form of its documentation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.intake.dialects import DIALECTS, Act, NotGenuine, Request
from app.platform.clock import now
from tests.signers import CERTIFICATE, CONFIRM, TOPIC, Signed, Sns

SES = DIALECTS["ses"]
AT = now()
SIGNER = Sns(AT)
OPTIONS = {"topic_arn": TOPIC}
WHEN = "2016-01-27T14:59:38.237Z"
MAIL = {
    "timestamp": WHEN,
    "source": "john@example.com",
    "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
    "destination": ["jane@example.com", "mary@example.com"],
    "headers": [{"name": "From", "value": '"John Doe" <john@example.com>'}],
}
FEEDBACK = "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000"


def bounce(kind: str = "Permanent", sub: str = "General") -> dict[str, Any]:
    """Write a bounce."""
    recipient = {
        "emailAddress": "jane@example.com",
        "status": "5.1.1",
        "action": "failed",
        "diagnosticCode": "smtp; 550 5.1.1 <jane@example.com>... User",
    }
    said = {"bounceType": kind, "bounceSubType": sub, "timestamp": WHEN, "feedbackId": FEEDBACK}
    return {"notificationType": "Bounce", "bounce": {**said, "bouncedRecipients": [recipient]}}


def complaint(**more: object) -> dict[str, Any]:
    """Write a complaint of two."""
    people = [{"emailAddress": "jane@example.com"}, {"emailAddress": "mary@example.com"}]
    said = {"complainedRecipients": people, "timestamp": WHEN, "feedbackId": FEEDBACK}
    return {"eventType": "Complaint", "complaint": {**said, **more}}


def preferences(topics: dict[str, str], *, everything: bool = False) -> dict[str, Any]:
    """Write what somebody prefers."""
    statuses = [
        {"topicName": name, "subscriptionStatus": status} for name, status in topics.items()
    ]
    return {"unsubscribeAll": everything, "topicSubscriptionStatus": statuses}


def subscription(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Write a change of preferences."""
    said = {"contactList": "ContactListName", "timestamp": WHEN, "source": "UnsubscribeHeader"}
    changed = {**said, "newTopicPreferences": new, "oldTopicPreferences": old}
    return {"eventType": "Subscription", "subscription": changed}


def request(signed: Signed, *, certificate: bytes = SIGNER.certificate) -> Request:
    """Receive a request, the certificate fetched."""
    return Request("", signed.headers, signed.body, {CERTIFICATE: certificate})


JANE, MARY = "jane@example.com", "mary@example.com"
NEWS = {"Sports": "OptIn", "News": "OptIn"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (bounce(), [(Act.HARD_BOUNCE, JANE, None)]),
        (bounce(sub="NoEmail"), [(Act.HARD_BOUNCE, JANE, None)]),
        (bounce(sub="OnAccountSuppressionList"), [(Act.NOTHING, None, None)]),
        (bounce("Transient", "MailboxFull"), [(Act.NOTHING, None, None)]),
        (bounce("Undetermined", "Undetermined"), [(Act.NOTHING, None, None)]),
        (complaint(), [(Act.COMPLAINT, JANE, None), (Act.COMPLAINT, MARY, None)]),
        (complaint(complaintFeedbackType="not-spam"), [(Act.NOTHING, None, None)] * 2),
        (
            {"notificationType": "Delivery", "delivery": {"timestamp": WHEN, "recipients": [JANE]}},
            [(Act.DELIVERED, JANE, None)],
        ),
        (
            subscription(preferences(NEWS, everything=True), preferences(NEWS)),
            [(Act.UNSUBSCRIBE, who, "ContactListName") for who in (JANE, MARY)],
        ),
        (
            subscription(preferences(NEWS | {"Sports": "OptOut"}), preferences({"Sports": "OptIn"}))
            | {"mail": {"destination": [JANE]}},
            [(Act.UNSUBSCRIBE, JANE, "Sports"), (Act.RESUBSCRIBE, JANE, "News")],
        ),
        ({"eventType": "Open", "open": {"timestamp": WHEN}}, [(Act.NOTHING, None, None)]),
        ({}, [(Act.NOTHING, None, None)]),
        ("Successfully validated SNS topic for Amazon SES event publishing.", []),
        ("[]", []),
    ],
)
def test_each_message_means_what_it_is_documented_to(message: Any, said: list[Any]) -> None:  # noqa: ANN401 - any JSON
    whole = {"mail": MAIL} | message if isinstance(message, dict) else message
    events = [
        SES.translate(fields, OPTIONS)
        for fields in SES.split(request(SIGNER.sign(whole, AT)), OPTIONS)
    ]
    assert [
        (one.act, one.identifiers[0][1] if one.identifiers else None, one.brand_hint)
        for one in events
    ] == said
    assert {one.occurred_at for one in events if one.act is not Act.NOTHING} <= {
        datetime(2016, 1, 27, 14, 59, 38, 237000, tzinfo=UTC)
    }


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["A subject", None])
def test_both_versions_of_a_signature_are_verified(version: str, subject: str | None) -> None:
    signed = SIGNER.sign(bounce(), AT, {"SignatureVersion": version, "Subject": subject})
    assert SES.needs(request(signed), OPTIONS) == [CERTIFICATE]
    SES.verify(request(signed), "", OPTIONS, AT)
    for was, becomes in ((b"jane", b"joan"), (b"Notification", b"notification")):
        with pytest.raises(NotGenuine):
            SES.verify(request(signed._replace(body=signed.body.replace(was, becomes))), "", {}, AT)
    with pytest.raises(NotGenuine, match="bad-signature"):
        SES.verify(request(signed, certificate=Sns(AT).certificate), "", OPTIONS, AT)
    with pytest.raises(NotGenuine, match="bad-signature"):
        SES.verify(request(signed, certificate=b"no certificate"), "", OPTIONS, AT)


@pytest.mark.parametrize(
    ("age", "reason"),
    [(timedelta(hours=25), "stale"), (timedelta(minutes=-10), "stale")],
)
def test_an_old_message_is_refused(age: timedelta, reason: str) -> None:
    with pytest.raises(NotGenuine, match=reason):
        SES.verify(request(SIGNER.sign(bounce(), AT - age)), "", OPTIONS, AT)


def test_a_certificate_counts_within_its_dates_alone() -> None:
    signed = SIGNER.sign(bounce(), AT)
    with pytest.raises(NotGenuine, match="certificate-expired"):
        SES.verify(request(signed), "", OPTIONS, AT + timedelta(days=2))


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-3.amazonaws.com.example.com/SimpleNotificationService-0.pem",
        "https://example.com/sns.eu-west-3.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-3.amazonaws.com@10.0.0.1/SimpleNotificationService-0.pem",
        "https://sns.eu-west-3.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-3.amazonaws.com/../SimpleNotificationService-0.pem",
        "https://169.254.169.254/SimpleNotificationService-0.pem",
    ],
)
def test_a_certificate_or_a_subscription_elsewhere_is_never_asked_for(elsewhere: str) -> None:
    signed = SIGNER.sign(bounce(), AT, {"SigningCertURL": elsewhere})
    with pytest.raises(NotGenuine, match="certificate-elsewhere"):
        SES.needs(request(signed), OPTIONS)
    address = elsewhere.replace("SimpleNotificationService-0.pem", "?Action=ConfirmSubscription")
    wanted = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": address}
    if not address.startswith("https://sns.eu-west-3.amazonaws.com/?"):
        with pytest.raises(NotGenuine, match="subscription-elsewhere"):
            SES.visits(request(SIGNER.sign("You have chosen", AT, wanted)))


def test_a_subscription_is_confirmed_and_another_topic_refused() -> None:
    wanted = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": CONFIRM}
    signed = SIGNER.sign("You have chosen to subscribe", AT, {"Subject": None, **wanted})
    SES.verify(request(signed), "", OPTIONS, AT)
    assert SES.visits(request(signed)) == [CONFIRM]
    assert SES.split(request(signed), OPTIONS) == []
    for topics in (None, "arn:aws:sns:eu-west-3:1:other", ["arn:aws:sns:eu-west-3:2:other"]):
        with pytest.raises(NotGenuine, match="another-topic"):
            SES.needs(request(signed), {"topic_arn": topics})
