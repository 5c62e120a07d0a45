"""SendGrid's event webhook, in the form of its documentation, its library beside ours."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook  # type: ignore[import-untyped]  # it has none

from app.intake.dialects import DIALECTS, Act, NotGenuine, Request
from app.platform.clock import now
from tests.signers import SendGrid, Signed

SENDGRID = DIALECTS["sendgrid"]
SIGNER = SendGrid()
SIGNATURE, TIMESTAMP = (
    f"x-twilio-email-event-webhook-{name}" for name in ("signature", "timestamp")
)


def event(name: str, **more: object) -> dict[str, Any]:
    """Write one event as it is documented."""
    return {
        "email": "example@test.example.com",
        "timestamp": 1513299569,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": name,
        "category": "cat facts",
        "sg_event_id": "sg_event_id",
        "sg_message_id": "sg_message_id",
        **more,
    }


def request(signed: Signed) -> Request:
    """Receive a request."""
    return Request(
        "https://registry.example.com/v1/inbound/sendgrid/m", signed.headers, signed.body
    )


@pytest.mark.parametrize(
    ("given", "act", "hint"),
    [
        (event("unsubscribe", asm_group_id=10), Act.UNSUBSCRIBE, None),
        (event("group_unsubscribe", asm_group_id=10), Act.UNSUBSCRIBE, "10"),
        (event("group_resubscribe", asm_group_id=10), Act.RESUBSCRIBE, "10"),
        (event("spamreport"), Act.COMPLAINT, None),
        (
            event("bounce", type="bounce", status="5.0.0"),
            Act.HARD_BOUNCE,
            None,
        ),
        (event("bounce", type="blocked", status="5.7.1", reason="listed"), Act.NOTHING, None),
        (event("delivered", response="250 OK"), Act.DELIVERED, None),
        (event("dropped", reason="Bounced Address", status="5.0.0"), Act.NOTHING, None),
        (event("deferred", response="400 later", attempt="5"), Act.NOTHING, None),
        (event("open", useragent="Mozilla/4.0", ip="255.255.255.255"), Act.NOTHING, None),
        (event("click", url="http://www.example.com/"), Act.NOTHING, None),
        (event("processed"), Act.NOTHING, None),
    ],
)
def test_each_event_means_what_it_is_documented_to(
    given: dict[str, Any], act: Act, hint: str | None
) -> None:
    (fields,) = SENDGRID.split(request(SIGNER.sign([given], now())), {})
    assert set(fields) <= {"sg_event_id", "event", "type", "email", "timestamp", "asm_group_id"}
    read = SENDGRID.translate(fields, {})
    assert (read.act, read.brand_hint) == (act, hint)
    if act is not Act.NOTHING:
        assert (read.id, read.occurred_at) == (
            "sg_event_id",
            datetime(2017, 12, 15, 0, 59, 29, tzinfo=UTC),
        )
        assert [value for _, value in read.identifiers] == ["example@test.example.com"]


def verdicts(signed: Signed, secret: str, at: datetime) -> tuple[bool, str]:
    """Ask their library, and ours why it refuses."""
    theirs = EventWebhook(secret).verify_signature(
        signed.body.decode(), signed.headers[SIGNATURE], signed.headers[TIMESTAMP]
    )
    ours = ""
    try:
        SENDGRID.verify(request(signed), secret, {}, at)
    except NotGenuine as refused:
        ours = refused.reason
    return theirs, ours


def test_our_answer_is_that_of_their_library_but_for_old_signatures() -> None:
    at = now()
    signed = SIGNER.sign([event("unsubscribe")], at)
    assert verdicts(signed, SIGNER.secret, at) == (True, "")
    later = signed.headers | {TIMESTAMP: str(int(at.timestamp()) + 1)}
    for changed in (
        signed._replace(body=signed.body.replace(b"test", b"text")),
        signed._replace(headers=later),
        SendGrid().sign([event("unsubscribe")], at),
    ):
        assert verdicts(changed, SIGNER.secret, at) == (False, "bad-signature")
    for age in (timedelta(days=2), timedelta(minutes=-10)):
        assert verdicts(SIGNER.sign([], at - age), SIGNER.secret, at) == (True, "stale")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (SIGNATURE, "", "no-signature"),
        (TIMESTAMP, "", "no-signature"),
        (SIGNATURE, "no base64!", "bad-signature"),
        (SIGNATURE, "AAAA", "bad-signature"),
        (TIMESTAMP, "soon", "bad-signature"),
    ],
)
def test_a_signature_that_is_none_is_refused(name: str, value: str, reason: str) -> None:
    signed = SIGNER.sign([event("unsubscribe")], now())
    changed = request(signed._replace(headers=signed.headers | {name: value}))
    with pytest.raises(NotGenuine, match=reason):
        SENDGRID.verify(changed, SIGNER.secret, {}, now())


@pytest.mark.parametrize("secret", ["", "no key", json.dumps({}), "TUlJ"])
def test_a_secret_that_is_no_key_lets_nobody_in(secret: str) -> None:
    with pytest.raises(NotGenuine, match="bad-secret"):
        SENDGRID.verify(request(SIGNER.sign([], now())), secret, {}, now())
