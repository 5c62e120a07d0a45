"""Identifiers that the wire shows, and secrets that it shows once."""

import secrets
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562): unique, in order of creation within a process."""
    return uuid7()


def least_id(at: datetime) -> UUID:
    """Make what no id lies below that was made at a time or later."""
    return UUID(int=int(at.timestamp() * 1_000) << 80)


def new_secret() -> str:
    """Make a secret of 256 random bits, in URL-safe base64 without padding (43 characters)."""
    return secrets.token_urlsafe(32)
