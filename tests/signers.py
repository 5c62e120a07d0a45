"""Providers that sign as theirs do, written from their documentation alone."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, NamedTuple
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from app.platform.wire import wire_time


class Signed(NamedTuple):
    """A request as a provider sends it."""

    body: bytes
    headers: dict[str, str]


class SendGrid:
    """Signs the time and the body with ECDSA (P-256); the secret is DER in base64."""

    def __init__(self) -> None:
        """Make a key."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.secret = b64encode(der).decode()

    def sign(self, events: object, at: datetime) -> Signed:
        """Sign a list of events."""
        body = json.dumps(events).encode()
        signed_at = str(int(at.timestamp()))
        signature = self._key.sign(signed_at.encode() + body, ec.ECDSA(SHA256()))
        return Signed(
            body,
            {
                "content-type": "application/json",
                "x-twilio-email-event-webhook-signature": b64encode(signature).decode(),
                "x-twilio-email-event-webhook-timestamp": signed_at,
            },
        )


class Mailgun:
    """Signs a time and a token with the HTTP webhook signing key."""

    secret = "key-of-nobody"  # noqa: S105 - of a provider that does not exist

    def sign(self, event: Mapping[str, Any], at: datetime, token: str = "t" * 50) -> Signed:
        """Sign an event, which the signature does not cover."""
        signed_at = str(int(at.timestamp()))
        digest = hmac.new(self.secret.encode(), (signed_at + token).encode(), hashlib.sha256)
        signature = {"timestamp": signed_at, "token": token, "signature": digest.hexdigest()}
        body = json.dumps({"signature": signature, "event-data": event}).encode()
        return Signed(body, {"content-type": "application/json"})


class Basic:
    """Sends the credentials of its address."""

    secret = "hook:p4ssw0rd"  # noqa: S105 - as above

    def sign(self, events: object, _at: datetime | None = None) -> Signed:
        """Send them beside events."""
        authorization = f"Basic {b64encode(self.secret.encode()).decode()}"
        body = json.dumps(events).encode()
        return Signed(body, {"authorization": authorization, "content-type": "application/json"})


class Twilio:
    """Signs the address of the door and the fields of a form with the auth token."""

    secret = "12345"  # noqa: S105 - as above

    def sign(self, path: str, fields: Mapping[str, str]) -> Signed:
        """Sign a form."""
        url = f"http://127.0.0.1:8000{path}"
        signed = url + "".join(name + value for name, value in sorted(fields.items()))
        signature = b64encode(hmac.digest(self.secret.encode(), signed.encode(), "sha1"))
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature.decode(),
        }
        return Signed(urlencode(fields).encode(), headers)


class Mailbox:
    """Signs mails by Standard Webhooks, with its own library."""

    secret = "whsec_" + b64encode(b"a key of twenty-four bytes").decode()

    def sign(self, mail: bytes, at: datetime) -> Signed:
        """Sign a mail."""
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign("msg_1", at, mail.decode()),
        }
        return Signed(mail, headers)


def letter(words: str, **headers: str) -> bytes:
    """Write a mail of a person."""
    mail = EmailMessage()
    usual = {"From": "Jo <jo@example.com>", "To": "dpo@example.org", "Message-ID": "<1@x.example>"}
    for name, value in (usual | headers).items():
        mail[name] = value
    mail.set_content(words)
    return bytes(mail)


TOPIC = "arn:aws:sns:eu-west-3:123456789012:mail-events"
CERTIFICATE = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123abcd.pem"
CONFIRM = (
    "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription"
    f"&TopicArn={TOPIC}&Token=2336412f37fb687f5d51e6e2425d"
)


class Sns:
    """Signs messages of a topic with RSA under a certificate that lies at an address of SNS."""

    def __init__(self, at: datetime) -> None:
        """Make a key and a certificate for it, that counts for a day."""
        self._key = rsa.generate_private_key(65_537, 2_048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=1))
            .sign(self._key, SHA256())
            .public_bytes(Encoding.PEM)
        )

    def sign(
        self, message: object, at: datetime, more: Mapping[str, str | None] | None = None
    ) -> Signed:
        """Sign a notification, or what ``more`` makes of it; None leaves a member out."""
        text = message if isinstance(message, str) else json.dumps(message)
        envelope: dict[str, str | None] = {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Subject": "Amazon SES Email Event Notification",
            "Message": text,
            "Timestamp": wire_time(at)[:-4] + "Z",
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE,
            "UnsubscribeURL": "https://sns.eu-west-3.amazonaws.com/?Action=Unsubscribe",
        }
        said = {
            name: value
            for name, value in (envelope | dict(more or {})).items()
            if value is not None
        }
        signed = "".join(f"{name}\n{said[name]}\n" for name in self._signed(said) if name in said)
        hashed = SHA1() if said["SignatureVersion"] == "1" else SHA256()  # noqa: S303 - it is what version 1 is
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashed)
        said["Signature"] = b64encode(signature).decode()
        # SNS sends JSON as plain text.
        return Signed(json.dumps(said).encode(), {"content-type": "text/plain; charset=UTF-8"})

    @staticmethod
    def _signed(said: Mapping[str, str]) -> tuple[str, ...]:
        if said["Type"] == "Notification":
            return ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        return ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
