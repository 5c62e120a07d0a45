"""What every kind asks of a text before it looks closer."""

import re

LONGEST_TEXT = 1_000
"""Characters that are looked at; a longer text is refused unread, which bounds the time."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Unusable(ValueError):  # noqa: N818 - it says what the value is
    """A text that is no contact point of its kind; the message never holds the text."""


class UnusableRegion(Unusable):
    """What is to blame is not the text but the region in which it was to be read."""


def require_bounded(text: str) -> None:
    """Refuse an absurd length.

    Raises:
        Unusable: the text is longer than ``LONGEST_TEXT``.
    """
    if len(text) > LONGEST_TEXT:
        raise Unusable(f"longer than {LONGEST_TEXT:,} characters")


def require_plain(text: str) -> None:
    """Refuse what PostgreSQL or UTF-8 cannot hold, and what nobody types.

    Raises:
        Unusable: a control character or half of a surrogate pair is in it.
    """
    if _CONTROLS.search(text):
        raise Unusable("control characters or lone surrogates in it")
