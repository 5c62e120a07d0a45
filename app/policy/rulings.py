"""What the law answers."""

from dataclasses import dataclass
from datetime import datetime

from .places import Source
from .words import Confidence, Decision


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that decided; ``code`` is its stable name, ``rule`` its number in its pack.

    ``french`` and ``english`` say it in a sentence.
    """

    code: str
    rule: str | None
    pack: str | None
    basis: tuple[str, ...]
    confidence: Confidence
    french: str
    english: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """What must be done in a contact that is allowed."""

    code: str
    basis: tuple[str, ...]
    french: str
    english: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer about one contact at one moment.

    ``next_allowed_at`` is when a ``defer`` may become an ``allow`` if nothing else changes, None
    where it cannot. ``valid_until`` is when an ``allow`` ends by itself: the hours close, a consent
    or a contract ends, another rule begins. ``packs`` are the packs that were asked, each with its
    version; ``incomplete``: one of them does not hold the whole law of its country.
    """

    decision: Decision
    reasons: tuple[Reason, ...]
    next_allowed_at: datetime | None
    obligations: tuple[Obligation, ...]
    valid_until: datetime | None
    countries: tuple[str, ...]
    source: Source
    packs: tuple[str, ...]
    incomplete: bool
