"""The words of this room, and the small numbers that stand for them in rows.

A number, once written, keeps its meaning for ever.
"""

from enum import IntEnum, IntFlag, unique
from typing import Literal

from app.journal import Media, Word

ConsentState = Literal[
    "none",
    "valid",
    "expired",
    "withdrawn",
    "incomplete_proof",
    "other_controller",
    "other_object",
    "other_medium",
    "third_party_unproven",
    "voided",
]
"""What a person's consents are worth for one brand, object, medium and moment."""


class Mention(IntFlag):
    """What a request for consent must tell (C. conso R223-1), as bits."""

    WHO = 1
    WHAT = 2
    PERIOD = 4
    WITHDRAWAL = 8
    COPY = 16


MENTIONS = tuple(Mention)
EVERY_MENTION = Mention(31)


def mentions_needed(medium: Media) -> Mention:
    """Tell which mentions a consent must prove: for calls all five, else those of GDPR 7 and 13."""
    if medium is Media.VOICE:
        return EVERY_MENTION
    return Mention.WHO | Mention.WHAT | Mention.WITHDRAWAL


@unique
class PositiveAct(Word):
    """By what the person consented."""

    NONE = 1
    PRE_TICKED_BOX = 2
    TICKED_BOX = 3
    BUTTON = 4
    SIGNATURE = 5
    SPOKEN = 6
    WRITTEN = 7
    DOUBLE_OPT_IN = 8

    @property
    def is_positive(self) -> bool:
        """Tell whether the person did anything (CJEU C-673/17: a pre-ticked box is nothing)."""
        return self not in (PositiveAct.NONE, PositiveAct.PRE_TICKED_BOX)


@unique
class SourceKind(Word):
    """Where a consent was collected."""

    FORM = 1
    PAPER = 2
    CALL = 3
    SUPPLIER = 4


@unique
class Proof(IntEnum):
    """What the record of a consent proves."""

    COMPLETE = 1
    INCOMPLETE = 2
    UNPROVEN = 3
    """It comes from a supplier without the person's own proof."""
    VOIDED = 4
    """It came by a file that was a mistake, and never counts."""


@unique
class Outcome(Word):
    """What became of an attempt to contact somebody; all of them count."""

    ANSWERED = 1
    UNANSWERED = 2
    BUSY = 3
    VOICEMAIL = 4
    FAILED = 5
    SENT = 6


@unique
class Audience(Word):
    """Which law protects the person."""

    UNKNOWN = 1
    CONSUMER = 2
    PROFESSIONAL = 3
