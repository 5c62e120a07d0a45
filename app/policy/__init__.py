"""The law as dated data: facts and a moment in, a decision with its reasons out. Pure.

It promises that no contact is allowed without a rule that permits it, that a prohibition always
wins, and that a past moment is judged by the rules that were in force then, at the place of the
person. What is on record about somebody comes in as ``Known``; packs only compare ``Facts``.
"""

from .calendars import closing, holiday_name, local_date, opening, spans_of
from .codex import OwnPack, packaged, read_pack, the_law
from .consents import lasts_until, years_later
from .evaluating import evaluate
from .facts import FACTS, NO_FACTS, Facts, Objection, Purpose, Sector
from .judging import Brief, Hearing
from .law import Chapter, Law
from .packs import BadPack, CallerIds, Hours, Pack, Parameter, Rule
from .places import ZONES, Places, Source, places_of, zones_of
from .records import (
    ATTEMPT_DAYS,
    MOST_ATTEMPTS,
    NO_PROFILE,
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
from .sitting import Sitting, Told
from .words import Audience, Confidence, Decision, Medium, medium_of, object_key

__all__ = [
    "ATTEMPT_DAYS",
    "FACTS",
    "MOST_ATTEMPTS",
    "NOTHING_KNOWN",
    "NO_FACTS",
    "NO_PROFILE",
    "ZONES",
    "AttemptRecord",
    "Audience",
    "BadPack",
    "Brief",
    "CallerIds",
    "Chapter",
    "Confidence",
    "ConsentRecord",
    "ContractRecord",
    "Decision",
    "Facts",
    "Hearing",
    "Hours",
    "Known",
    "Law",
    "Medium",
    "Objection",
    "Obligation",
    "OwnPack",
    "Pack",
    "Parameter",
    "Places",
    "Profile",
    "Purpose",
    "Reason",
    "RequestRecord",
    "Rule",
    "Ruling",
    "Sector",
    "Sitting",
    "Source",
    "Terms",
    "Told",
    "closing",
    "evaluate",
    "holiday_name",
    "lasts_until",
    "local_date",
    "medium_of",
    "object_key",
    "opening",
    "packaged",
    "places_of",
    "read_pack",
    "spans_of",
    "the_law",
    "years_later",
    "zones_of",
]
