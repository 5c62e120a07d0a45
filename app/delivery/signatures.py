"""Signing what is delivered, by Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import secrets as randomness
from collections.abc import Sequence
from datetime import datetime

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


def new_signing_secret() -> str:
    """Make a signing secret: ``whsec_`` and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(randomness.token_bytes(32)).decode("ascii")


def sign(secrets: Sequence[str], *, id: str, at: datetime, body: bytes) -> dict[str, str]:  # noqa: A002 - the specification's word
    """Make the three headers for exactly these bytes, sent at ``at``.

    The ``id`` stays the same when the same message is sent again; the time does not. One signature
    per secret, in the order given: while a secret is rotated, the receiver may know either.
    Raises ValueError, without the secret, for one that is not ``whsec_`` and 24 to 64 bytes.
    """
    if not secrets or at.tzinfo is None:
        raise ValueError("signing takes at least one secret and a time with its offset")
    timestamp = str(int(at.timestamp()))
    signed = f"{id}.{timestamp}.".encode()
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(_key(one), signed, body) for one in secrets),
    }


def _signature(key: bytes, head: bytes, body: bytes) -> str:
    mac = hmac.new(key, head, hashlib.sha256)
    mac.update(body)
    return "v1," + base64.b64encode(mac.digest()).decode("ascii")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError("a signing secret is 'whsec_' and 24 to 64 bytes in base64")
    return key
