"""Twilio: what it documents of its signature, and what messages and calls come to."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.dialects import DIALECTS, Act, Event, NotGenuine, Outcome, Request, Taken
from app.journal import Kind
from app.platform.clock import now

TWILIO = DIALECTS["twilio"]
TOKEN = "12345"  # noqa: S105 - of Twilio's documentation
DOCUMENTED = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
OURS = {
    "MessageSid": "SM0001",
    "From": "+33639980041",
    "To": "+33199000011",
    "Body": "Arrêt & merci",
    "Extra": "",
}
ADDRESS = "https://optout.example.com/v1/inbound/twilio/texts"
BY_THEIR_LIBRARY = [
    # The address and the fields of Twilio's own documentation, and what it says they sign to.
    ("https://mycompany.com/myapp.php?foo=1&bar=2", DOCUMENTED, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    # RequestValidator of twilio 9.13.0 with that token; the last is for the address with its port.
    (ADDRESS, OURS, "pr3mbXa90/dxw/6x45hOldO6hDg="),
    (ADDRESS, OURS, "ixUcO8AWvL0+Y6qd4rsJeO0C4uk="),
]


def request(url: str, fields: dict[str, str], signature: str | None) -> Request:
    """Post as Twilio does."""
    headers = {} if signature is None else {"x-twilio-signature": signature}
    return Request(url, headers, urlencode(fields).encode())


def event(**fields: str) -> Event:
    """Read one message or call."""
    (kept,) = TWILIO.split(request(ADDRESS, fields, None), {})
    return TWILIO.translate(kept, {})


def message(body: str, **more: str) -> Event:
    """Read one message."""
    return event(
        **{"MessageSid": "SM1", "From": "+33639980041", "To": "+33199000011", "Body": body} | more
    )


@pytest.mark.parametrize(("url", "fields", "signature"), BY_THEIR_LIBRARY)
def test_what_their_library_signs_is_let_in(
    url: str, fields: dict[str, str], signature: str
) -> None:
    assert TWILIO.verify(request(url, fields, signature), TOKEN, {}, now()) is None


@pytest.mark.parametrize(
    ("posted", "reason"),
    [
        (request(ADDRESS, OURS, None), "no-signature"),
        (request(ADDRESS, OURS, "é\ud800"), "bad-signature"),
        (request(ADDRESS, OURS | {"Body": "START"}, BY_THEIR_LIBRARY[1][2]), "bad-signature"),
        (request(ADDRESS + "?a=1", OURS, BY_THEIR_LIBRARY[1][2]), "bad-signature"),
        (
            Request(ADDRESS, {"x-twilio-signature": "x"}, b"\xff=%ff&" + b"a=b&" * 2_000),
            "bad-signature",
        ),
    ],
)
def test_another_signature_is_not(posted: Request, reason: str) -> None:
    with pytest.raises(NotGenuine) as refused:
        TWILIO.verify(posted, TOKEN, {}, now())
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("read", "act", "review", "confirms"),
    [
        (message("STOP"), Act.STOP_KEYWORD, False, True),
        (message("arrêt svp"), Act.STOP_KEYWORD, False, True),
        (message("ne m'écrivez plus"), Act.OBJECTION, True, True),
        (message("OUI"), Act.REQUEST, True, False),
        (message("Où est mon colis ?"), Act.UNCLEAR, True, False),
        (message(""), Act.NOTHING, False, False),
        # What the account's owner has made a keyword there, it has answered.
        (message("parez", OptOutType="STOP"), Act.STOP_KEYWORD, False, False),
        (message("hop", OptOutType="START"), Act.REQUEST, True, False),
        (message("stop?", OptOutType="HELP"), Act.NOTHING, False, False),
        (event(CallSid="CA1", From="+33639980041", To="+33199000011"), Act.NOTHING, False, False),
        (
            event(CallSid="CA1", From="+33639980041", To="+33199000011", Digits="9"),
            Act.STOP_KEYWORD,
            False,
            True,
        ),
        (
            event(CallSid="CA1", From="+33639980041", To="+33199000011", SpeechResult="Stop."),
            Act.STOP_KEYWORD,
            False,
            True,
        ),
    ],
)
def test_messages_and_calls(read: Event, act: Act, *, review: bool, confirms: bool) -> None:
    assert (read.act, read.review, read.confirms) == (act, review, confirms)


def test_who_is_meant_is_the_person_and_the_brand_is_by_our_number() -> None:
    person, ours = "+33639980041", "+33199000011"
    for read in (
        message("STOP"),
        message("STOP", From=f"whatsapp:{person}", To=f"whatsapp:{ours}"),
        event(CallSid="CA1", Direction="inbound", From=person, To=ours, Digits="9"),
        event(CallSid="CA1", Direction="outbound-api", From=ours, To=person, Digits="9"),
    ):
        assert (read.identifiers, read.brand_hint) == ([(Kind.PHONE, person)], ours)


def test_the_answer_is_twiml_whatever_the_confirmation_says() -> None:
    assert TWILIO.reply([], {}).body == (  # type: ignore[union-attr]  # it always answers
        b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
    )
    taken = Taken(message("STOP"), Outcome.RECORDED, confirmation="C'est fait <&> \ud800")
    reply = TWILIO.reply([taken], {})
    assert reply is not None
    assert (reply.media_type, reply.status) == ("text/xml", 200)
    assert "<Message>C'est fait &lt;&amp;&gt; ?</Message>" in reply.body.decode()


@given(st.binary(max_size=200))
def test_no_bytes_raise_but_as_they_should(body: bytes) -> None:
    posted = Request(ADDRESS, {"x-twilio-signature": "x"}, body)
    with pytest.raises(NotGenuine):
        TWILIO.verify(posted, TOKEN, {}, now())
