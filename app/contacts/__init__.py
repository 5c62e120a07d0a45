"""What allows or limits a contact: consents, withdrawals, contracts, attempts, profiles.

It promises that a consent is kept with its whole evidence and never edited, that nothing recorded
here lifts an objection, and that what stands about many people is told in one query, from which
``policy`` computes the facts. What arrives about consents arrives by intake, which alone may touch
registry and contacts in one transaction.
"""

from . import tables as tables
from .attempts import (
    COUNTED_FOR,
    Attempt,
    NewAttempt,
    attempts_on,
    forget_old_attempts,
    record_attempts,
    require_attempt,
)
from .consents import (
    Consent,
    NewConsent,
    Origin,
    Recorded,
    consents_on,
    find_consent,
    list_consents,
    note_copy,
    record_consents,
    require_sound,
)
from .contracts import (
    Contract,
    NewContract,
    contracts_on,
    find_contract,
    record_contracts,
    require_contract,
)
from .facts import find_known, known_to
from .merging import merge_contacts
from .naming import Wording, read_wording
from .profiles import NewProfile, Profile, find_profile, record_profiles, require_profile
from .refusals import UnusableRecord, code_of
from .sealing import EVIDENCE_YEARS, SEALED, destroy_old_evidence, forget_contacts
from .withdrawals import (
    WITHDRAWS,
    Withdrawing,
    keep_withdrawals,
    lift_refusals,
    void_withdrawals,
)
from .words import (
    MENTIONS,
    Audience,
    Mention,
    Outcome,
    PositiveAct,
    Proof,
    SourceKind,
)

__all__ = [
    "COUNTED_FOR",
    "EVIDENCE_YEARS",
    "MENTIONS",
    "SEALED",
    "WITHDRAWS",
    "Attempt",
    "Audience",
    "Consent",
    "Contract",
    "Mention",
    "NewAttempt",
    "NewConsent",
    "NewContract",
    "NewProfile",
    "Origin",
    "Outcome",
    "PositiveAct",
    "Profile",
    "Proof",
    "Recorded",
    "SourceKind",
    "UnusableRecord",
    "Withdrawing",
    "Wording",
    "attempts_on",
    "code_of",
    "consents_on",
    "contracts_on",
    "destroy_old_evidence",
    "find_consent",
    "find_contract",
    "find_known",
    "find_profile",
    "forget_contacts",
    "forget_old_attempts",
    "keep_withdrawals",
    "known_to",
    "lift_refusals",
    "list_consents",
    "merge_contacts",
    "note_copy",
    "read_wording",
    "record_attempts",
    "record_consents",
    "record_contracts",
    "record_profiles",
    "require_attempt",
    "require_contract",
    "require_profile",
    "require_sound",
    "void_withdrawals",
]
