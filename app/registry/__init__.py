"""The truth: the grounds that opt-outs laid, and the suppressions derived from them.

An objection always wins. What is suppressed is the union of the grounds that stand; only a later,
positive act of the person lifts one, only a named human voids one.
"""

from . import tables as tables
from .additions import media_added
from .bounces import bounced_among, lift_bounces
from .bulk import Listed, Plan, Source, lay_planned, plan
from .digests import Digest, PartDigest, digest_states
from .grounds import (
    Ground,
    Laying,
    Lifting,
    ObjectionIsNewer,
    Weighed,
    WiderObjectionStands,
    forget_evidence,
    grounds_laid_by,
    grounds_on,
    lay_grounds,
    lift,
    lift_some,
    opt_outs_about,
    reinstatements_of,
    verify_grounds,
    void_grounds,
    weigh,
)
from .many import Laid, lay_many
from .merging import merge_grounds
from .suppressions import (
    Cause,
    State,
    derive_states,
    read_states,
    rederive,
    tell_erased,
)
from .voids import Standing, VoidPreview, next_grounds, preview_void, void_these

__all__ = [
    "Cause",
    "Digest",
    "Ground",
    "Laid",
    "Laying",
    "Lifting",
    "Listed",
    "ObjectionIsNewer",
    "PartDigest",
    "Plan",
    "Source",
    "Standing",
    "State",
    "VoidPreview",
    "Weighed",
    "WiderObjectionStands",
    "bounced_among",
    "derive_states",
    "digest_states",
    "forget_evidence",
    "grounds_laid_by",
    "grounds_on",
    "lay_grounds",
    "lay_many",
    "lay_planned",
    "lift",
    "lift_bounces",
    "lift_some",
    "media_added",
    "merge_grounds",
    "next_grounds",
    "opt_outs_about",
    "plan",
    "preview_void",
    "read_states",
    "rederive",
    "reinstatements_of",
    "tell_erased",
    "verify_grounds",
    "void_grounds",
    "void_these",
    "weigh",
]
