"""The law as dated data: facts and a moment in, a decision with its reasons out. Pure.

It promises that no contact is allowed without a rule that permits it, that a prohibition always
wins, and that a past moment is judged by the rules that were in force then, at the place of the
person. What is on record about somebody comes in as ``Known``; packs only compare ``Facts``.
"""

from .facts import FACTS, NO_FACTS, Facts
from .places import Places, Source
from .records import (
    NOTHING_KNOWN,
    AttemptRecord,
    ConsentRecord,
    ContractRecord,
    Known,
    Profile,
    RequestRecord,
    Terms,
)
from .rulings import Obligation, Reason, Ruling
from .words import Audience, Confidence, Decision, Medium, medium_of, object_key

__all__ = [
    "FACTS",
    "NOTHING_KNOWN",
    "NO_FACTS",
    "AttemptRecord",
    "Audience",
    "Confidence",
    "ConsentRecord",
    "ContractRecord",
    "Decision",
    "Facts",
    "Known",
    "Medium",
    "Obligation",
    "Places",
    "Profile",
    "Reason",
    "RequestRecord",
    "Ruling",
    "Source",
    "Terms",
    "medium_of",
    "object_key",
]
