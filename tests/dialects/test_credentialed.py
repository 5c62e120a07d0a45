"""Brevo, Mailjet and Postmark, which send credentials: events in the form of their documents."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from app.intake.dialects import DIALECTS, MISREAD, Act, NotGenuine, Request
from app.platform.clock import now
from tests.signers import Basic

PERSON = "example@domain.example.com"

BREVO = {
    "id": 1,
    "camp_id": 7,
    "email": PERSON,
    "campaign name": "My First Campaign",
    "date_sent": "2020-10-09 00:00:00",
    "date_event": "2020-10-09 00:00:00",
    "tag": "",
    "ts_sent": 1604933619,
    "ts_event": 1604933737,
    "ts": 1604937337,
}
BREVO_TRANSACTIONAL = {
    "id": 26224,
    "email": PERSON,
    "date": "2020-11-09 16:55:37",
    "ts": 1604937337,
    "message-id": "<201798300811.5787683@relay.example.com>",
    "ts_event": 1604933737,
    "subject": "Subject",
    "sending_ip": "xxx.xxx.xxx.xxx",
    "ts_epoch": 1604933737000,
    "template_id": 22,
    "tags": ["tag1"],
}
MAILJET = {
    "time": 1604933737,
    "MessageID": 13792286917004336,
    "email": PERSON,
    "mj_campaign_id": 7276,
    "mj_contact_id": 126,
    "customcampaign": "",
    "CustomID": "helloworld",
    "Payload": "",
}
POSTMARK_BOUNCE = {
    "RecordType": "Bounce",
    "MessageStream": "outbound",
    "ID": 4323372036854775807,
    "Name": "Hard bounce",
    "Tag": "Test",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "ServerID": 23,
    "Description": "The server was unable to deliver your message.",
    "Details": "Test bounce details",
    "Email": PERSON,
    "From": "sender@example.com",
    "BouncedAt": "2020-11-09T14:55:37.0000000Z",
    "Inactive": True,
}
POSTMARK_CHANGE = {
    "RecordType": "SubscriptionChange",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "ServerID": 123456,
    "MessageStream": "outbound",
    "ChangedAt": "2020-11-09T09:55:37-05:00",
    "Recipient": PERSON,
    "Origin": "Recipient",
    "SuppressSending": True,
    "SuppressionReason": "HardBounce",
    "Tag": "my-tag",
    "Metadata": {"example": "value"},
}
BACK = {"SuppressSending": False, "SuppressionReason": None}


@pytest.mark.parametrize(
    ("dialect", "given", "act", "hint"),
    [
        ("brevo", BREVO | {"event": "unsubscribe", "list_id": [3]}, Act.UNSUBSCRIBE, "3"),
        ("brevo", BREVO | {"event": "unsubscribe", "list_id": [3, 42]}, Act.UNSUBSCRIBE, None),
        ("brevo", BREVO | {"event": "spam", "reason": "undesired"}, Act.COMPLAINT, None),
        ("brevo", BREVO | {"event": "hard_bounce", "reason": "x"}, Act.HARD_BOUNCE, None),
        ("brevo", BREVO | {"event": "soft_bounce", "reason": "x"}, Act.NOTHING, None),
        ("brevo", BREVO | {"event": "list_addition", "list_id": [3]}, Act.NOTHING, None),
        ("brevo", BREVO_TRANSACTIONAL | {"event": "unsubscribed"}, Act.UNSUBSCRIBE, None),
        ("brevo", BREVO_TRANSACTIONAL | {"event": "spam"}, Act.COMPLAINT, None),
        ("brevo", BREVO_TRANSACTIONAL | {"event": "hard_bounce"}, Act.HARD_BOUNCE, None),
        ("brevo", BREVO_TRANSACTIONAL | {"event": "invalid_email"}, Act.HARD_BOUNCE, None),
        ("brevo", BREVO_TRANSACTIONAL | {"event": "blocked"}, Act.NOTHING, None),
        ("brevo", BREVO_TRANSACTIONAL | {"event": "delivered"}, Act.DELIVERED, None),
        ("mailjet", MAILJET | {"event": "unsub", "mj_list_id": 1}, Act.UNSUBSCRIBE, "1"),
        ("mailjet", MAILJET | {"event": "unsub", "mj_list_id": 0}, Act.UNSUBSCRIBE, None),
        ("mailjet", MAILJET | {"event": "spam", "source": "JMRPP"}, Act.COMPLAINT, None),
        ("mailjet", MAILJET | {"event": "bounce", "hard_bounce": True}, Act.HARD_BOUNCE, None),
        ("mailjet", MAILJET | {"event": "bounce", "hard_bounce": False}, Act.NOTHING, None),
        ("mailjet", MAILJET | {"event": "blocked", "error": "user unknown"}, Act.NOTHING, None),
        ("mailjet", MAILJET | {"event": "sent", "smtp_reply": "250 OK"}, Act.DELIVERED, None),
        ("mailjet", MAILJET | {"event": "open", "ip": "127.0.0.1"}, Act.NOTHING, None),
        ("postmark", POSTMARK_BOUNCE | {"Type": "HardBounce"}, Act.HARD_BOUNCE, "outbound"),
        ("postmark", POSTMARK_BOUNCE | {"Type": "BadEmailAddress"}, Act.HARD_BOUNCE, "outbound"),
        ("postmark", POSTMARK_BOUNCE | {"Type": "SoftBounce"}, Act.NOTHING, None),
        ("postmark", POSTMARK_BOUNCE | {"Type": "Transient"}, Act.NOTHING, None),
        ("postmark", POSTMARK_BOUNCE | {"Type": "AutoResponder"}, Act.NOTHING, None),
        (
            "postmark",
            POSTMARK_BOUNCE | {"RecordType": "SpamComplaint", "Type": "SpamComplaint"},
            Act.COMPLAINT,
            "outbound",
        ),
        ("postmark", POSTMARK_CHANGE, Act.HARD_BOUNCE, "outbound"),
        (
            "postmark",
            POSTMARK_CHANGE | {"SuppressionReason": "SpamComplaint"},
            Act.COMPLAINT,
            "outbound",
        ),
        (
            "postmark",
            POSTMARK_CHANGE | {"SuppressionReason": "ManualSuppression"},
            Act.UNSUBSCRIBE,
            "outbound",
        ),
        ("postmark", POSTMARK_CHANGE | BACK, Act.RESUBSCRIBE, "outbound"),
    ],
)
def test_each_event_means_what_it_is_documented_to(
    dialect: str, given: dict[str, Any], act: Act, hint: str | None
) -> None:
    signed = Basic().sign(given)
    (fields,) = DIALECTS[dialect].split(Request("", signed.headers, signed.body), {})
    read = DIALECTS[dialect].translate(fields, {})
    assert (read.act, read.brand_hint) == (act, hint)
    if act is not Act.NOTHING:
        assert [value for _, value in read.identifiers] == [PERSON]
        assert read.occurred_at == datetime(2020, 11, 9, 14, 55, 37, tzinfo=UTC)


@pytest.mark.parametrize(("origin", "by_person"), [("Recipient", True), ("Customer", False)])
def test_who_reactivates_an_address_is_told_apart(origin: str, by_person: bool) -> None:  # noqa: FBT001 - a parameter of the test
    fields = POSTMARK_CHANGE | BACK | {"Origin": origin}
    assert DIALECTS["postmark"].translate(fields, {}).by_person is by_person


@pytest.mark.parametrize("dialect", ["brevo", "mailjet", "postmark"])
def test_credentials_are_compared_and_many_events_come_at_once(dialect: str) -> None:
    spoken = DIALECTS[dialect]
    signed = Basic().sign([{}, {}])
    request = Request("", signed.headers, signed.body)
    spoken.verify(request, Basic().secret, {}, now())
    assert len(spoken.split(request, {})) == 2
    for headers in ({}, {"authorization": "Basic"}, {"authorization": "Basic é"}):
        with pytest.raises(NotGenuine):
            spoken.verify(Request("", headers, b"{}"), Basic().secret, {}, now())
    wrong = b64encode(b"hook:other").decode()
    with pytest.raises(NotGenuine, match="bad-signature"):
        spoken.verify(Request("", {"authorization": f"Basic {wrong}"}, b""), "hook:x", {}, now())
    spoken.verify(Request("", {"authorization": "Bearer t0k"}, b""), "t0k", {}, now())
    spoken.verify(Request("", {"x-hook": "t0k"}, b""), "t0k", {"header": "X-Hook"}, now())


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("fields", [{}, {"event": 7}, {"event": []}, {"RecordType": None}])
def test_fields_that_are_none_are_refused_or_mean_nothing(
    dialect: str, fields: dict[str, Any]
) -> None:
    try:
        act = DIALECTS[dialect].translate(fields, {}).act
    except MISREAD:
        act = Act.NOTHING
    assert act is Act.NOTHING
