"""Contact points: one normal form each, one keyed digest, one way to show them. Pure.

It promises that the same contact point, however written, has one normal form; that normalising a
normal form changes nothing; that any text whatever gives a normal form or ``Unusable``, in bounded
time; and that no ``repr`` and no error shows a contact point unmasked.
"""

from .digests import DigestKeys, identifier_hmac, plain_sha256
from .identifier import Identifier, mask, normalise, normalise_many
from .phones import PHONE_TABLES
from .regions import SHARED, region_of, region_of_phone
from .spelling import country_of, spelled
from .text import Unusable, UnusableRegion

__all__ = [
    "PHONE_TABLES",
    "SHARED",
    "DigestKeys",
    "Identifier",
    "Unusable",
    "UnusableRegion",
    "country_of",
    "identifier_hmac",
    "mask",
    "normalise",
    "normalise_many",
    "plain_sha256",
    "region_of",
    "region_of_phone",
    "spelled",
]
