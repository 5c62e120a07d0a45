"""Numbers that a register gave: the French SIREN of a company, a customer's in some system."""

import re

from stdnum import luhn

from .text import Unusable, require_plain

_SIREN = re.compile("[0-9]{9}")
_LONGEST_CUSTOMER = 200


def normal_siren(value: str) -> str:
    """Write a SIREN as nine digits; white space, dots and hyphens between them are dropped.

    Raises:
        Unusable: there are not nine digits, or their check digit (Luhn) is wrong.
    """
    digits = "".join(value.split()).replace(".", "").replace("-", "")
    if not _SIREN.fullmatch(digits):
        raise Unusable("no SIREN: nine digits are wanted (a SIRET begins with them)")
    if not luhn.is_valid(digits):
        raise Unusable("no SIREN: the check digit is wrong")
    return digits


def normal_customer(value: str) -> str:
    """Keep ``<system>:<reference>`` as given; the first colon parts them.

    Raises:
        Unusable: either part is empty, it is longer than 200 characters or not plain text.
    """
    require_plain(value)
    system, _, reference = value.partition(":")
    if not (system.strip() and reference.strip()):
        raise Unusable("no customer: <system>:<reference> is wanted")
    if len(value) > _LONGEST_CUSTOMER:
        raise Unusable(f"no customer: longer than {_LONGEST_CUSTOMER} characters")
    return value
