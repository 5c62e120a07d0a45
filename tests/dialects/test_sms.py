"""Text messages of providers that are mapped by options, in the forms that they document."""

import hmac
import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.dialects import DIALECTS, Act, Event, NotGenuine, Options, Request, Unreadable
from app.journal import Kind
from app.platform.clock import now

SMS = DIALECTS["sms"]
SECRET = "a secret, shared"  # noqa: S105 - of a provider that does not exist
PERSON, OURS = "33639980042", "36200"
ESENDEX = """<InboundMessage>
<Id>6b6dd2b7-0e66-4b4d-8f2f-5f4b6f7a0001</Id>
<MessageId>6b6dd2b7-0e66-4b4d-8f2f-5f4b6f7a0002</MessageId>
<AccountId>6b6dd2b7-0e66-4b4d-8f2f-5f4b6f7a0003</AccountId>
<MessageText>STOP &amp; merci</MessageText>
<From>33639980042</From>
<To>36200</To>
</InboundMessage>"""
INFOBIP = {
    "results": [
        {
            "messageId": "817790313235066447",
            "from": PERSON,
            "to": OURS,
            "text": "Stop.",
            "cleanText": ".",
            "keyword": "STOP",
            "receivedAt": "2026-11-27T10:06:56.917+0000",
            "smsCount": 1,
            "price": {"pricePerMessage": 0, "currency": "EUR"},
            "callbackData": "callbackData",
        }
    ],
    "messageCount": 1,
    "pendingMessageCount": 0,
}
VONAGE = {
    "msisdn": PERSON,
    "to": OURS,
    "messageId": "0A0000000123ABCD1",
    "text": "arrêt",
    "type": "text",
    "message-timestamp": "2026-11-27 10:06:56",
}
BIRD = {
    "id": "96a0b5fa-a986-453d-be5c-3117f989f025",
    "sender": {"contact": {"identifierKey": "phonenumber", "identifierValue": f"+{PERSON}"}},
    "receiver": {"connector": {"id": OURS}},
    "body": {"type": "text", "text": {"text": "Unsubscribe"}},
    "createdAt": "2026-11-27T10:06:56.736Z",
}
# As a public example of its developers shows it; the others as their documentation does.
ESENDEX_OPT_OUT = """<OptOut>
  <Id>436332c6-8755-41bf-abde-cc48eafacba0</Id>
  <AccountId>f6462f9d-87a2-4cac-97a6-5a2d9cb81997</AccountId>
  <AccountReference>EX0010000</AccountReference>
  <From>
    <PhoneNumber>33639980042</PhoneNumber>
  </From>
</OptOut>"""
OCTOPUSH = {
    "message_id": "sms_5fa275dbf21dc",
    "number": f"+{PERSON}",
    "text": "stop",
    "stop_date": "2026-11-27 10:06:56",
}
SMSFACTOR = {
    "date": "2026-11-27T11:06:56+01:00",
    "message": "Stop SMS",
    "from": PERSON,
    "account_id": "1234",
    "last_message_id": "your_gsmsmsid",
}
SMSMODE = (
    f"numero={OURS}&message=stop&emetteur={PERSON}&date_reception=27112026-110656"
    "&smsID=abcd1234&refClient=monclient123&responseID=azertyu123"
)
JSON, FORM, XML = "application/json", "application/x-www-form-urlencoded", "text/xml"
DOCUMENTED = {
    "Bird": (JSON, json.dumps(BIRD)),
    "Esendex, messages": (XML, ESENDEX),
    "Esendex, opt-outs": (XML, ESENDEX_OPT_OUT),
    "Infobip": (JSON, json.dumps(INFOBIP)),
    "Octopush, stops": (JSON, json.dumps(OCTOPUSH)),
    "SMSFactor, stops": (JSON, json.dumps(SMSFACTOR)),
    "smsmode": (FORM, SMSMODE),
    "Vonage": (JSON, json.dumps(VONAGE)),
}
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^  \| ([^|]+) \| `(\{[^`]+\})` \|", README, re.MULTILINE))


def events(kind: str, body: bytes, options: Options) -> list[Event]:
    """Read a request to its events."""
    posted = Request("", {"content-type": kind}, body)
    return [SMS.translate(fields, options) for fields in SMS.split(posted, options)]


def test_the_readme_tells_the_options_of_each_provider_that_was_tried() -> None:
    assert set(ROWS) == set(DOCUMENTED)


@pytest.mark.parametrize("provider", DOCUMENTED)
def test_documented_forms_are_mapped_by_the_options_of_the_readme(provider: str) -> None:
    kind, body = DOCUMENTED[provider]
    options = json.loads(ROWS[provider])
    (event,) = events(kind, body.encode(), options)
    assert (event.act, event.review) == (Act.STOP_KEYWORD, False)
    assert event.identifiers == [(Kind.PHONE, f"+{PERSON}")]
    assert event.brand_hint == (OURS if "recipient" in options or "36200" in body else None)
    assert event.id or "time" in options
    if "time" in options:
        assert event.occurred_at is not None
        assert event.occurred_at.replace(second=0, microsecond=0) == datetime(
            2026, 11, 27, 10, 6, tzinfo=UTC
        )


def test_a_form_in_the_charset_of_old_needs_no_options() -> None:
    body = f"from={PERSON}&to={OURS}&text=D%E9sinscription&id=7&time=1795774016".encode()
    (event,) = events(f"{FORM}; charset=ISO-8859-15", body, {})
    assert (event.act, event.id, event.brand_hint) == (Act.STOP_KEYWORD, "7", OURS)


def test_a_notice_of_another_shape_is_listed_not_dropped() -> None:
    options = json.loads(ROWS["Esendex, messages"])
    with pytest.raises(Unreadable, match="no-sender"):
        events(XML, ESENDEX_OPT_OUT.encode(), options)


def test_numbers_come_with_their_country_unless_the_channel_says_otherwise() -> None:
    for sender, written, national in (
        (PERSON, f"+{PERSON}", False),
        ("447700900123", "+447700900123", False),
        ("+447700900123", "+447700900123", False),
        ("0639980042", "0639980042", False),
        ("7575550000", "7575550000", True),
        (36200, "36200", False),
    ):
        body = json.dumps({"from": sender, "text": "STOP"}).encode()
        (event,) = events("", body, {"national": national})
        assert event.identifiers == [(Kind.PHONE, written)]


def test_what_says_nothing_is_dropped_or_listed_as_the_channel_wants() -> None:
    body = f"from={PERSON}&text=Wo ist mein Paket?".encode()
    for unclear, act in (("drop", Act.NOTHING), ("review", Act.UNCLEAR), (None, Act.UNCLEAR)):
        (event,) = events("", body, {"unclear": unclear})
        assert event.act is act


def test_what_bears_neither_id_nor_time_is_new_whenever_it_comes() -> None:
    first, second = (events("", b"from=33639980042&text=STOP", {})[0] for _ in range(2))
    assert first.id != second.id
    named = [events("", b"from=33639980042&text=STOP&id=7", {})[0] for _ in range(2)]
    assert named[0] == named[1]


def test_a_time_that_cannot_be_read_costs_no_stop() -> None:
    (event,) = events("", f"from={PERSON}&text=STOP&time=hier".encode(), {})
    assert (event.act, event.occurred_at) == (Act.STOP_KEYWORD, None)


@pytest.mark.parametrize(
    "body",
    [
        b"<a",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<a>" * 2_000,
        b"<a>&lt;</b>",
        b'{"results": []',
        b"[" * 100_000,
    ],
    ids=range(6),
)
def test_what_is_none_of_the_forms_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        events("", body, {"list": "results"})


def mac(body: bytes, name: str = "sha256") -> bytes:
    """Sign a body."""
    return hmac.digest(SECRET.encode(), body, name)


BODY = b'{"from": "33639980042", "text": "STOP", "key": "a secret, shared"}'
BASIC = b64encode(f"hook:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"signature": "X-Sig"}, {"x-sig": mac(BODY).hex().upper()}),
        ({"signature": "X-Sig"}, {"x-sig": f"sha256={mac(BODY).hex()}"}),
        ({"signature": "X-Sig"}, {"x-sig": b64encode(mac(BODY)).decode()}),
        ({"signature": "X-Sig", "algorithm": "SHA1"}, {"x-sig": mac(BODY, "sha1").hex()}),
        ({"token": "key"}, {}),
        ({"header": "X-Key"}, {"x-key": SECRET}),
        ({}, {"authorization": f"Bearer {SECRET}"}),
        ({}, {"authorization": f"Basic {BASIC}"}),
    ],
)
def test_whoever_proves_the_secret_is_let_in_and_nobody_else(
    options: Options, headers: dict[str, str]
) -> None:
    assert SMS.verify(Request("", headers, BODY), SECRET, options, now()) is None
    for forged in (
        Request("", {}, BODY.replace(SECRET.encode(), b"x")),
        Request("", dict.fromkeys(headers, "é\ud800"), BODY.replace(b"secret", b"secre7")),
        Request("", dict.fromkeys(headers, "0" * 64), b'{"key": ["a"]}'),
    ):
        with pytest.raises(NotGenuine):
            SMS.verify(forged, SECRET, options, now())


def test_an_algorithm_that_nobody_knows_lets_nobody_in() -> None:
    options = {"signature": "X-Sig", "algorithm": "none"}
    with pytest.raises(NotGenuine, match="unknown-algorithm"):
        SMS.verify(Request("", {"x-sig": ""}, BODY), SECRET, options, now())


@given(
    st.sampled_from(["text/xml", "application/json", "application/x-www-form-urlencoded", ""]),
    st.binary(max_size=200),
)
def test_no_bytes_raise_but_as_unreadable(kind: str, body: bytes) -> None:
    try:
        fields = SMS.split(Request("", {"content-type": kind}, body), {"list": "a.b"})
    except Unreadable:
        return
    assert fields
