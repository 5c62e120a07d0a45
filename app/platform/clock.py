"""Time: aware, in UTC, read once per request and passed on as ``at``."""

from datetime import UTC, datetime


def now() -> datetime:
    """Tell the present instant in UTC."""
    return datetime.now(UTC)
