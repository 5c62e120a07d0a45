"""What a decision rests on: facts that code computes and packs compare.

Each fact has few values, and one that it takes where nothing is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal, get_args

Objection = Literal["none", "this_medium", "all_media", "other_medium"]
Consent = Literal[
    "none",
    "valid",
    "expired",
    "withdrawn",
    "incomplete_proof",
    "other_controller",
    "other_object",
    "other_medium",
    "third_party_unproven",
]
Contract = Literal["none", "ongoing_related", "ongoing_unrelated", "ended"]
Retention = Literal["ok", "expired"]
Purpose = Literal["prospecting", "re_permission"]
Sector = Literal[
    "none", "energy_renovation", "housing_adaptation", "cpf_training", "insurance", "press"
]
InboundRequest = Literal["none", "fresh_on_topic", "stale", "off_topic"]
Window = Literal["inside", "outside"]
Attempts = Literal["under_four", "four_or_more"]
Refusal = Literal["none", "within_60d", "older"]
Subscriber = Literal["unknown", "legal_person", "natural_person"]
SoftOptIn = Literal["none", "complete"]
CallerIdRange = Literal["npv", "not_npv"]
Listing = Literal["unknown", "listed", "not_listed_fresh", "stale"]
RpoListing = Literal["unknown", "listed", "listed_after_consent", "not_listed_fresh", "stale"]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about one contact at one moment; each defaults to what holds if nothing is known.

    ``attempts_30d`` keeps its name where a pack counts fewer attempts or more days.
    """

    objection: Objection = "none"
    consent: Consent = "none"
    contract: Contract = "none"
    retention: Retention = "ok"
    purpose: Purpose = "prospecting"
    sector: Sector = "none"
    inbound_request: InboundRequest = "none"
    call_window: Window = "inside"
    sms_window: Window = "inside"
    agreed_slot: bool = False
    attempts_30d: Attempts = "under_four"
    refusal: Refusal = "none"
    offer_fits_profession: bool = False
    recent_customer_1y: bool = False
    customer_within_3y: bool = False
    ebr: bool = False
    subscriber: Subscriber = "unknown"
    soft_opt_in: SoftOptIn = "none"
    caller_id_range: CallerIdRange = "npv"
    bloctel: Listing = "unknown"
    tps: Listing = "unknown"
    us_dnc: Listing = "unknown"
    dncm: Listing = "unknown"
    rpo: RpoListing = "unknown"
    robinson: Listing = "unknown"


NO_FACTS = Facts()
"""What holds where nothing is known."""

FACTS: Mapping[str, tuple[str | bool, ...]] = MappingProxyType(
    {one.name: (False, True) if one.type is bool else get_args(one.type) for one in fields(Facts)}
)
"""The values of each fact, its default first."""
