"""Signatures that the unmodified libraries of Standard Webhooks and Svix verify."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
import svix.webhooks

from app.delivery.signatures import new_signing_secret, sign
from app.platform.clock import now

KNOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"name": "café"}'.encode()


def verify(secret: str, headers: dict[str, str], body: bytes = BODY) -> None:
    """Verify as receivers do; both libraries raise on a forgery."""
    standardwebhooks.Webhook(secret).verify(body, headers)
    svix.webhooks.Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("offset", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_the_known_answer_comes_out_in_any_offset(offset: timezone) -> None:
    headers = sign(
        [KNOWN],
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1_614_265_330.9, offset),
        body=b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("body", [b"{}", BODY, b'"' + b"x" * 262_144 + b'"'])
def test_both_libraries_verify_what_is_signed(body: bytes) -> None:
    secret = new_signing_secret()
    verify(secret, sign([secret], id="0199", at=now(), body=body), body)


def test_during_a_rotation_the_old_and_the_new_secret_both_verify() -> None:
    old, new = new_signing_secret(), new_signing_secret()
    headers = sign([new, old], id="0199", at=now(), body=BODY)
    verify(old, headers)
    verify(new, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verify(new_signing_secret(), headers)


def test_another_id_time_or_byte_is_a_forgery() -> None:
    secret = new_signing_secret()
    headers = sign([secret], id="0199", at=now(), body=BODY)
    later = str(int(headers["webhook-timestamp"]) + 1)
    for forged, body in (
        (headers | {"webhook-id": "0198"}, BODY),
        (headers | {"webhook-timestamp": later}, BODY),
        (headers, BODY + b" "),
    ):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verify(secret, forged, body)


def test_a_receiver_whose_clock_is_301_seconds_off_refuses() -> None:
    secret = new_signing_secret()
    for off, words in ((-301, "too old"), (301, "too new")):
        headers = sign([secret], id="0199", at=now() + timedelta(seconds=off), body=BODY)
        with pytest.raises(standardwebhooks.WebhookVerificationError, match=words):
            verify(secret, headers)


def test_a_new_secret_is_32_random_bytes() -> None:
    first, second = new_signing_secret(), new_signing_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_é" + "A" * 43]
    + ["whsec_" + base64.b64encode(bytes(length)).decode() for length in (23, 65)],
)
def test_what_is_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="'whsec_' and 24 to 64 bytes") as refused:
        sign([KNOWN, secret], id="0199", at=now(), body=BODY)
    assert len(secret) < 10 or secret not in str(refused.value)


def test_nothing_goes_unsigned_or_with_a_time_that_may_be_local() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        sign([], id="0199", at=now(), body=BODY)
    with pytest.raises(ValueError, match="a time with its offset"):
        sign([KNOWN], id="0199", at=now().replace(tzinfo=None), body=BODY)
