"""The door: opt-outs, reinstatements, voids and erasures come in, and leave with a receipt.

It alone may touch registry and contacts in one transaction. What it acknowledged is committed.
"""

from . import (
    api,
    consents_api,
    contact_imports_api,
    imports_api,
    inbound_api,
    inbound_reviews_api,
    people_api,
)
from .arrivals import Arrivals, Day
from .complaints import Complaint, answer_complaint, due_on, waiting_complaints
from .confirmations import (
    ASKED_WITHIN,
    VERIFIED_WITHIN,
    Confirmation,
    confirm,
    open_confirmation,
    seal_confirmation,
)
from .contact_imports import CONTACTS, contacts_handler
from .contact_voids import CONTACTS_VOID, contacts_void_handler
from .copies import open_copy, seal_copy
from .desk import (
    TAKE_BACK_WITHIN,
    Recorded,
    TooLateToTakeBack,
    count_since,
    points_of,
    recent_by,
    require_takeable,
)
from .dialects import MOST_MAIL_BYTES, Outcome, sign_mail
from .erasures import complete_erasure, open_erasures
from .history import Act, History, read_history
from .import_job import import_handler
from .import_models import ColumnWord, ImportIn
from .import_voids import VOID, begin_void, void_handler
from .imports import (
    IMPORT,
    IMPORT_STATES,
    Import,
    ImportState,
    find_import,
    forget_refused,
    list_imports,
    queue_import,
    read_refused,
)
from .imports import SEALED as _OF_IMPORTS
from .imports_api import refused_csv
from .inbound import Doors
from .inbound_alarms import watch_doors
from .inbound_doors import DOOR_STATES, DoorView, view_doors
from .inbound_events import SEALED as _OF_EVENTS
from .inbound_events import KeptEvent, Wanted, forget_events, list_events
from .inbound_measures import DoorStandings
from .inbound_models import masked_of
from .inbound_replay import Replaying, replay
from .inbound_reviews import (
    AlreadyReviewed,
    Review,
    confirm_review,
    count_reviews,
    list_reviews,
    void_review,
)
from .last_uses import LastUse, last_uses
from .links import BadLink, Link, Purpose, open_link, revoke_links, seal_link
from .opt_outs import Filter, OptOut, Voided, find_opt_out, list_opt_outs, void
from .people import (
    MOST_UNVERIFIED,
    VOIDED_AT_ONCE,
    Choice,
    choose,
    click,
    find_unverified,
    object_openly,
    read_choices,
    stop_everything,
    void_unverified,
)
from .receipts import Hop, Propagation, Receipt, accept, read_propagation, read_receipt
from .renormalising import Renormalised, renormalise
from .undone import Undoing, read_undone

ROUTERS = (
    *api.ROUTERS,
    *consents_api.ROUTERS,
    *contact_imports_api.ROUTERS,
    *imports_api.ROUTERS,
    *people_api.ROUTERS,
    *inbound_api.ROUTERS,
    *inbound_reviews_api.ROUTERS,
)
SEALED = (*_OF_IMPORTS, *_OF_EVENTS)

__all__ = [
    "ASKED_WITHIN",
    "CONTACTS",
    "CONTACTS_VOID",
    "DOOR_STATES",
    "IMPORT",
    "IMPORT_STATES",
    "MOST_MAIL_BYTES",
    "MOST_UNVERIFIED",
    "ROUTERS",
    "SEALED",
    "TAKE_BACK_WITHIN",
    "VERIFIED_WITHIN",
    "VOID",
    "VOIDED_AT_ONCE",
    "Act",
    "AlreadyReviewed",
    "Arrivals",
    "BadLink",
    "Choice",
    "ColumnWord",
    "Complaint",
    "Confirmation",
    "Day",
    "DoorStandings",
    "DoorView",
    "Doors",
    "Filter",
    "History",
    "Hop",
    "Import",
    "ImportIn",
    "ImportState",
    "KeptEvent",
    "LastUse",
    "Link",
    "OptOut",
    "Outcome",
    "Propagation",
    "Purpose",
    "Receipt",
    "Recorded",
    "Renormalised",
    "Replaying",
    "Review",
    "TooLateToTakeBack",
    "Undoing",
    "Voided",
    "Wanted",
    "accept",
    "answer_complaint",
    "begin_void",
    "choose",
    "click",
    "complete_erasure",
    "confirm",
    "confirm_review",
    "contacts_handler",
    "contacts_void_handler",
    "count_reviews",
    "count_since",
    "due_on",
    "find_import",
    "find_opt_out",
    "find_unverified",
    "forget_events",
    "forget_refused",
    "import_handler",
    "last_uses",
    "list_events",
    "list_imports",
    "list_opt_outs",
    "list_reviews",
    "masked_of",
    "object_openly",
    "open_confirmation",
    "open_copy",
    "open_erasures",
    "open_link",
    "points_of",
    "queue_import",
    "read_choices",
    "read_history",
    "read_propagation",
    "read_receipt",
    "read_refused",
    "read_undone",
    "recent_by",
    "refused_csv",
    "renormalise",
    "replay",
    "require_takeable",
    "revoke_links",
    "seal_confirmation",
    "seal_copy",
    "seal_link",
    "sign_mail",
    "stop_everything",
    "view_doors",
    "void",
    "void_handler",
    "void_review",
    "void_unverified",
    "waiting_complaints",
    "watch_doors",
]
