"""Mailgun's webhooks, in the form of its documentation."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.intake.dialects import DIALECTS, Act, NotGenuine, Request, Unreadable
from app.platform.clock import now
from tests.signers import Mailgun, Signed

MAILGUN = DIALECTS["mailgun"]
SIGNER = Mailgun()
REST = "05235584e45aa91d1e9f979f3de0"
KNOWN = "291a72d36b214db2d527c44020ef408ed110f23a690d2cec8b7e33de6ada23b2"


def event(name: str, **more: object) -> dict[str, Any]:
    """Write ``event-data`` as it is documented."""
    return {
        "event": name,
        "id": "Ase7i2zsRYeDXztHGENqRA",
        "timestamp": 1521243339.873676,
        "log-level": "info",
        "message": {"headers": {"message-id": "20130503182626.18666.16540@mail.example.com"}},
        "recipient": "alice@example.com",
        "recipient-domain": "example.com",
        "ip": "50.56.129.169",
        "tags": ["my_tag_1"],
        "user-variables": {"my_var_1": "Mailgun Variable #1"},
        "client-info": {"client-os": "Linux", "user-agent": "Mozilla/5.0"},
        **more,
    }


def request(signed: Signed) -> Request:
    """Receive a request."""
    return Request("https://registry.example.com/v1/inbound/mailgun/m", signed.headers, signed.body)


def failed(severity: str, reason: str, code: int) -> dict[str, Any]:
    """Write a failure."""
    return event("failed", severity=severity, reason=reason, **{"delivery-status": {"code": code}})


@pytest.mark.parametrize(
    ("given", "act", "hint"),
    [
        (event("unsubscribed"), Act.UNSUBSCRIBE, None),
        (
            event("unsubscribed", **{"mailing-list": {"address": "news@mail.example.com"}}),
            Act.UNSUBSCRIBE,
            "news@mail.example.com",
        ),
        (
            event("complained", domain={"name": "mail.example.com"}),
            Act.COMPLAINT,
            "mail.example.com",
        ),
        (failed("permanent", "bounce", 550), Act.HARD_BOUNCE, None),
        (failed("permanent", "suppress-bounce", 605), Act.HARD_BOUNCE, None),
        (failed("permanent", "suppress-unsubscribe", 606), Act.NOTHING, None),
        (failed("permanent", "generic", 554), Act.NOTHING, None),
        (failed("temporary", "bounce", 452), Act.NOTHING, None),
        (event("delivered"), Act.DELIVERED, None),
        (event("opened"), Act.NOTHING, None),
    ],
)
def test_each_event_means_what_it_is_documented_to(
    given: dict[str, Any], act: Act, hint: str | None
) -> None:
    (fields,) = MAILGUN.split(request(SIGNER.sign(given, now())), {})
    assert "my_var_1" not in json.dumps(fields)
    read = MAILGUN.translate(fields, {})
    assert (read.act, read.brand_hint) == (act, hint)
    if act is not Act.NOTHING:
        assert (read.id, read.occurred_at) == (
            "Ase7i2zsRYeDXztHGENqRA",
            datetime(2018, 3, 16, 23, 35, 39, 873676, tzinfo=UTC),
        )


def test_a_signature_is_that_of_another_program_and_a_changed_one_is_refused() -> None:
    """What ``openssl dgst -sha256 -hmac key-of-nobody`` says of the documentation's example."""
    at, token = datetime.fromtimestamp(1529006854, UTC), f"a8ce0edb2dd8301dee6c24{REST}"
    signed = SIGNER.sign(event("unsubscribed"), at, token)
    assert json.loads(signed.body)["signature"]["signature"] == KNOWN
    assert MAILGUN.verify(request(signed), SIGNER.secret, {}, at) == token
    forged = signed.body.replace(KNOWN[:8].encode(), b"00000000")
    with pytest.raises(NotGenuine, match="bad-signature"):
        MAILGUN.verify(request(signed._replace(body=forged)), SIGNER.secret, {}, at)


@pytest.mark.parametrize("age", [timedelta(days=2), timedelta(minutes=-10)])
def test_an_old_signature_and_one_of_tomorrow_are_refused(age: timedelta) -> None:
    signed = SIGNER.sign(event("unsubscribed"), now() - age)
    with pytest.raises(NotGenuine, match="stale"):
        MAILGUN.verify(request(signed), SIGNER.secret, {}, now())


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"signature": 1}', b'{"signature": {"token": "t", "timestamp": 1}}'],
)
def test_a_body_without_a_signature_is_refused(body: bytes) -> None:
    with pytest.raises(NotGenuine, match="no-signature"):
        MAILGUN.verify(Request("", {}, body), SIGNER.secret, {}, now())
    with pytest.raises(Unreadable):
        MAILGUN.split(Request("", {}, body), {})
