"""What allows or limits a contact: consents, withdrawals, contracts, attempts, profiles.

It promises that a consent is kept with its whole evidence and never edited, that nothing recorded
here lifts an objection, and that what stands about many people is told in one query, from which
``policy`` computes the facts. What arrives about consents arrives by intake, which alone may touch
registry and contacts in one transaction.
"""

from . import tables as tables
from .api import REFUSALS, ROUTERS, Readers, TheReaders
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
    require_sound,
)
from .contracts import (
    Contract,
    NewContract,
    contracts_on,
    find_contract,
    record_contracts,
    require_contract,
    void_contracts,
)
from .facts import find_known, known_to
from .keeping import record_consents
from .merging import merge_contacts
from .models import AttemptIn, ContractIn, ProfileIn
from .naming import Wording, read_wording
from .profiles import (
    MOST_VERSIONS,
    NewProfile,
    Profile,
    find_profile,
    forget_old_profiles,
    record_profiles,
    require_profile,
)
from .proofs import void_consents
from .refusals import UnusableRecord, code_of
from .sealing import SEALED, destroy_old_evidence, evidence_until, forget_contacts
from .wire import (
    LINE_PROBLEMS,
    InTurns,
    LineCounts,
    LineOut,
    LinesOut,
    Names,
    Offered,
    Reading,
    Sent,
    Status,
    read_lines,
    record_lines,
)
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
    ConsentState,
    Mention,
    Outcome,
    PositiveAct,
    Proof,
    SourceKind,
)

__all__ = [
    "COUNTED_FOR",
    "LINE_PROBLEMS",
    "MENTIONS",
    "MOST_VERSIONS",
    "REFUSALS",
    "ROUTERS",
    "SEALED",
    "WITHDRAWS",
    "Attempt",
    "AttemptIn",
    "Audience",
    "Consent",
    "ConsentState",
    "Contract",
    "ContractIn",
    "InTurns",
    "LineCounts",
    "LineOut",
    "LinesOut",
    "Mention",
    "Names",
    "NewAttempt",
    "NewConsent",
    "NewContract",
    "NewProfile",
    "Offered",
    "Origin",
    "Outcome",
    "PositiveAct",
    "Profile",
    "ProfileIn",
    "Proof",
    "Readers",
    "Reading",
    "Recorded",
    "Sent",
    "SourceKind",
    "Status",
    "TheReaders",
    "UnusableRecord",
    "Withdrawing",
    "Wording",
    "attempts_on",
    "code_of",
    "consents_on",
    "contracts_on",
    "destroy_old_evidence",
    "evidence_until",
    "find_consent",
    "find_contract",
    "find_known",
    "find_profile",
    "forget_contacts",
    "forget_old_attempts",
    "forget_old_profiles",
    "keep_withdrawals",
    "known_to",
    "lift_refusals",
    "list_consents",
    "merge_contacts",
    "note_copy",
    "read_lines",
    "read_wording",
    "record_attempts",
    "record_consents",
    "record_contracts",
    "record_lines",
    "record_profiles",
    "require_attempt",
    "require_contract",
    "require_profile",
    "require_sound",
    "void_consents",
    "void_contracts",
    "void_withdrawals",
]
