"""Each provider's own request through its door: what is signed counts, what is not does nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.intake.dialects import DIALECTS
from app.intake.inbound_fetching import Fetcher
from app.platform.clock import now
from app.platform.db import Database
from app.platform.wire import wire_time
from tests.conftest import Caller
from tests.doors import decision, door, listed, open_door, taken
from tests.receivers import register
from tests.signers import (
    CERTIFICATE,
    CONFIRM,
    TOPIC,
    Basic,
    Mailbox,
    Mailgun,
    SendGrid,
    Signed,
    Sns,
    Twilio,
    letter,
)

AT = now()
SENDGRID, SNS = SendGrid(), Sns(AT)


def sendgrid(email: str) -> Signed:
    """Send an unsubscribe as SendGrid does."""
    return SENDGRID.sign(
        [{"event": "unsubscribe", "email": email, "timestamp": int(AT.timestamp())}], now()
    )


def mailgun(email: str, token: str = "t" * 50) -> Signed:
    """Send an unsubscribe as Mailgun does."""
    event = {"event": "unsubscribed", "id": "one", "recipient": email, "timestamp": AT.timestamp()}
    return Mailgun().sign(event, AT, token)


def brevo(email: str) -> Signed:
    """Send an unsubscribe as Brevo does."""
    said = {"event": "unsubscribe", "email": email, "ts_event": int(AT.timestamp())}
    return Basic().sign({**said, "id": 1, "camp_id": 7, "list_id": [3]})


def mailjet(email: str) -> Signed:
    """Send an unsubscribe as Mailjet does."""
    return Basic().sign([{"event": "unsub", "email": email, "time": int(AT.timestamp())}])


def postmark(email: str) -> Signed:
    """Send an unsubscribe as Postmark does."""
    said = {"RecordType": "SubscriptionChange", "Recipient": email, "ChangedAt": wire_time(AT)}
    return Basic().sign({**said, "SuppressSending": True, "SuppressionReason": "ManualSuppression"})


def ses(email: str) -> Signed:
    """Send a complaint as Amazon SES does."""
    said = {"complainedRecipients": [{"emailAddress": email}], "timestamp": wire_time(AT)}
    return SNS.sign({"eventType": "Complaint", "complaint": said, "mail": {}}, now())


def twilio(phone: str) -> Signed:
    """Send a STOP as Twilio does."""
    said = {"MessageSid": "SM1", "From": phone, "To": "+33199000012", "Body": "STOP"}
    return Twilio().sign("/v1/inbound/twilio/twilio", said)


def sms(phone: str) -> Signed:
    """Send a STOP as others do."""
    return Basic().sign({"from": phone, "to": "36200", "text": "STOP", "id": "7"})


def mail(email: str) -> Signed:
    """Hand over a person's mail."""
    return Mailbox().sign(letter("STOP", From=email), now())


PROVIDERS: dict[str, tuple[Callable[[str], Signed], str | None, dict[str, Any]]] = {
    "brevo": (brevo, Basic.secret, {}),
    "mail": (mail, Mailbox.secret, {}),
    "mailgun": (mailgun, Mailgun.secret, {}),
    "mailjet": (mailjet, Basic.secret, {}),
    "postmark": (postmark, Basic.secret, {}),
    "sendgrid": (sendgrid, SENDGRID.secret, {}),
    "ses": (ses, None, {"topic_arn": TOPIC}),
    "sms": (sms, Basic.secret, {}),
    "twilio": (twilio, Twilio.secret, {}),
}


@pytest.fixture
def asked(app: FastAPI, database: Database) -> list[str]:
    """Let SNS lie behind the guarded client: what is asked of it."""
    addresses: list[str] = []

    async def fetch(address: str) -> bytes:
        addresses.append(address)
        return SNS.certificate

    app.state.doors.fetcher = Fetcher(database.settings, fetch=fetch)
    return addresses


async def post(client: httpx.AsyncClient, path: str, signed: Signed) -> httpx.Response:
    """Send a request as a provider does."""
    return await client.post(path, content=signed.body, headers=signed.headers)


async def test_a_signed_request_blocks_and_is_told_and_a_changed_one_does_nothing(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, asked: list[str], caller: Caller
) -> None:
    assert set(PROVIDERS) == set(DIALECTS)
    await register(admin)
    expected = []
    for dialect, (sign, secret, options) in PROVIDERS.items():
        path = await open_door(admin, dialect, slug=dialect, secret=secret, **options)
        good, other = f"{dialect}@example.com", f"other-{dialect}@example.com"
        if dialect in ("sms", "twilio"):
            good, other = f"+3363998005{len(dialect)}", "+33639980059"
        signed = sign(good)
        before, after = (one.lstrip("+").encode() for one in (good, other))
        changed = signed._replace(body=signed.body.replace(before, after))
        assert changed.body != signed.body
        if secret == Basic.secret:
            # These sign nothing; without their credentials nothing counts.
            changed = changed._replace(headers={})
        if dialect != "mailgun":
            assert (await post(client, path, changed)).status_code == 401, dialect
            assert await decision(admin, other) == "allow"
        first, again = await post(client, path, signed), await post(client, path, signed)
        if dialect != "twilio":
            assert [await taken(one) for one in (first, again)] == [
                {"recorded": 1},
                {"duplicate": 1},
            ], dialect
        assert await decision(admin, good) == "block"
        assert (await door(admin, dialect))["events"]["recorded"] == 1
        expected.append(good)
    assert asked == [CERTIFICATE]
    # The databases are told of each, by the feed as by webhooks.
    feed = (await (await caller("journal:read", bound_to="crm")).get("/v1/journal")).json()
    assert [one["identifier"]["value"] for one in feed["entries"]] == expected


async def test_a_token_that_was_overheard_signs_no_other_body(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    path = await open_door(admin, "mailgun", secret=Mailgun.secret)
    signed = mailgun("jo@example.com")
    assert await taken(await post(client, path, signed)) == {"recorded": 1}
    forged = signed._replace(body=signed.body.replace(b"jo@", b"ann@"))
    assert (await post(client, path, forged)).status_code == 401
    assert await decision(admin, "ann@example.com") == "allow"
    assert await taken(await post(client, path, signed)) == {"duplicate": 1}
    assert [one["reason"] for one in (await door(admin))["tallies"]] == [
        "",
        "request:replayed",
        "",
    ]


async def test_a_subscription_is_confirmed_and_one_elsewhere_is_not(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, asked: list[str]
) -> None:
    path = await open_door(admin, "ses", secret=None, topic_arn=[TOPIC])
    wanted = {"Type": "SubscriptionConfirmation", "Token": "t", "Subject": None}
    confirm = SNS.sign("You have chosen", now(), {"SubscribeURL": CONFIRM, **wanted})
    assert await taken(await post(client, path, confirm)) == {}
    assert asked == [CERTIFICATE, CONFIRM]
    inner = SNS.sign("You have chosen", now(), {"SubscribeURL": "https://10.0.0.1/?a=b", **wanted})
    assert (await post(client, path, inner)).status_code == 401
    stranger = Sns(AT).sign("You have chosen", now(), {"SubscribeURL": CONFIRM, **wanted})
    assert (await post(client, path, stranger)).status_code == 401
    assert asked == [CERTIFICATE, CONFIRM]


async def test_a_certificate_at_an_inner_address_is_refused_by_the_guard(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, app: FastAPI, database: Database
) -> None:
    path = await open_door(admin, "ses", secret=None, topic_arn=TOPIC)

    async def inner(_host: str) -> list[str]:
        return ["127.0.0.1"]

    app.state.doors.fetcher = Fetcher(database.settings, resolve=inner)
    assert (await post(client, path, ses("jo@example.com"))).status_code == 401

    async def nowhere(_host: str) -> list[str]:
        raise OSError

    app.state.doors.fetcher = Fetcher(database.settings, resolve=nowhere)
    answer = await post(client, path, ses("jo@example.com"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert [(one["reason"], one["count"]) for one in (await door(admin))["tallies"]] == [
        ("request:forbidden-address", 1)
    ]
    assert await listed(admin) == []


async def test_who_comes_back_to_one_group_has_not_come_back_to_another(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    path = await open_door(admin, "sendgrid", secret=SENDGRID.secret)

    async def send(event: str, minute: int, **more: object) -> dict[str, int]:
        at = AT - timedelta(minutes=60 - minute)
        said = {"event": event, "email": "jo@example.com", "timestamp": int(at.timestamp())}
        signed = SENDGRID.sign([{**said, "sg_event_id": f"{event} {minute}", **more}], now())
        return await taken(await post(client, path, signed))

    assert await send("group_unsubscribe", 1, asm_group_id=1) == {"recorded": 1}
    assert await send("unsubscribe", 2, asm_group_id=2) == {"recorded": 1}
    assert await send("group_resubscribe", 3, asm_group_id=2) == {"refused": 1}
    assert await send("group_resubscribe", 4, asm_group_id=1) == {"lifted": 1}
    assert await decision(admin, "jo@example.com") == "block"
    assert [why for _, _, why in await listed(admin)] == [
        "others-stand",
        "laid-elsewhere",
        "",
        "",
    ]


async def test_events_out_of_order_end_as_if_they_were_in_order(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    path = await open_door(admin, "sendgrid", secret=SENDGRID.secret)

    def event(name: str, email: str, minute: int) -> dict[str, Any]:
        at = AT - timedelta(minutes=60 - minute)
        said = {"event": name, "email": email, "timestamp": int(at.timestamp())}
        return {**said, "sg_event_id": f"{name} {email}", "asm_group_id": 1}

    events = [
        event("group_resubscribe", "a@example.com", 2),
        event("group_unsubscribe", "a@example.com", 1),
        event("group_resubscribe", "b@example.com", 1),
        event("group_unsubscribe", "b@example.com", 2),
    ]
    answer = await post(client, path, SENDGRID.sign(events, now()))
    assert await taken(answer) == {"recorded": 2, "lifted": 1, "refused": 1}
    assert await decision(admin, "a@example.com") == "allow"
    assert await decision(admin, "b@example.com") == "block"
