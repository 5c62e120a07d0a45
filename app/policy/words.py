"""The words that rules are written in, beside those of the facts."""

from typing import Literal

from app.journal import Media

Medium = Literal["voice_live", "voice_auto", "sms", "email", "post"]
"""How somebody would be contacted; an automated call is another thing than a human's."""

Audience = Literal["consumer", "professional", "unknown"]
"""Who somebody is to the caller; ``unknown`` is judged as a consumer."""

Decision = Literal["allow", "defer", "review", "block"]
"""From the mildest to the strictest."""

Confidence = Literal["high", "medium", "low"]
"""How sure it is that a rule says what the law says."""

STRICTNESS: tuple[Decision, ...] = ("allow", "defer", "review", "block")


def medium_of(media: Media, *, automated: bool) -> Medium:
    """Name a single medium as rules do: messaging is judged as SMS."""
    if media is Media.VOICE:
        return "voice_auto" if automated else "voice_live"
    return _MEDIA[media]


_MEDIA: dict[Media, Medium] = {
    Media.SMS: "sms",
    Media.MESSAGING: "sms",
    Media.EMAIL: "email",
    Media.POST: "post",
}


def object_key(text: str) -> str:
    """Write the name of goods or services as it is compared: case and spaces do not count."""
    return " ".join(text.split()).casefold()
