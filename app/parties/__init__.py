"""Who takes part: brands, parties, channels, databases; the keys they hold; the audit.

It promises that a revoked or expired key is refused within one second in every process, by an
answer that is under way too (``TheHeldKey``), that a secret is shown once and never again, and
that the numbers of what takes part stay as they are for ever.
"""

from .access import Access
from .api import ROUTERS
from .audit import CLI, Action, Acts, AuditEntry, list_audit, note
from .brands import Brand, change_brand, create_brand, find_brand, list_brands
from .caller import SCOPES, Caller, Forbidden, Scope, Unauthenticated
from .channels import (
    SEALED,
    WEB,
    Channel,
    Inbound,
    NewChannel,
    NewInbound,
    change_channel,
    channels_of_party,
    create_channel,
    find_channel,
    inbound_secret,
    list_channels,
    web_channel,
)
from .databases import (
    RegisteredDatabase,
    change_database,
    delete_database,
    find_database,
    list_databases,
    register_database,
)
from .directory import Directory
from .doors import (
    HeldKey,
    TheDirectory,
    TheHeldKey,
    ThePurpose,
    TheQuotas,
    TheReads,
    TheVault,
    require_scope,
    requires,
)
from .keys import IssuedKey, Key, NewKey, create_key, find_key, list_keys, revoke_key
from .meters import Allowance, QuotaExceeded, UnusualUse, charge
from .models import BrandIn, ChannelIn, KeyIn, PartyIn
from .parties import (
    Contract,
    NewParty,
    Party,
    change_party,
    create_party,
    find_party,
    list_parties,
    party_number,
)
from .quotas import Quotas
from .reads import Reads
from .slugs import (
    AlreadyExists,
    Unknown,
    UnknownBrand,
    UnknownChannel,
    UnknownDatabase,
    UnknownParty,
)
from .tables import Coverage

__all__ = [
    "CLI",
    "ROUTERS",
    "SCOPES",
    "SEALED",
    "WEB",
    "Access",
    "Action",
    "Acts",
    "Allowance",
    "AlreadyExists",
    "AuditEntry",
    "Brand",
    "BrandIn",
    "Caller",
    "Channel",
    "ChannelIn",
    "Contract",
    "Coverage",
    "Directory",
    "Forbidden",
    "HeldKey",
    "Inbound",
    "IssuedKey",
    "Key",
    "KeyIn",
    "NewChannel",
    "NewInbound",
    "NewKey",
    "NewParty",
    "Party",
    "PartyIn",
    "QuotaExceeded",
    "Quotas",
    "Reads",
    "RegisteredDatabase",
    "Scope",
    "TheDirectory",
    "TheHeldKey",
    "ThePurpose",
    "TheQuotas",
    "TheReads",
    "TheVault",
    "Unauthenticated",
    "Unknown",
    "UnknownBrand",
    "UnknownChannel",
    "UnknownDatabase",
    "UnknownParty",
    "UnusualUse",
    "change_brand",
    "change_channel",
    "change_database",
    "change_party",
    "channels_of_party",
    "charge",
    "create_brand",
    "create_channel",
    "create_key",
    "create_party",
    "delete_database",
    "find_brand",
    "find_channel",
    "find_database",
    "find_key",
    "find_party",
    "inbound_secret",
    "list_audit",
    "list_brands",
    "list_channels",
    "list_databases",
    "list_keys",
    "list_parties",
    "note",
    "party_number",
    "register_database",
    "require_scope",
    "requires",
    "revoke_key",
    "web_channel",
]
