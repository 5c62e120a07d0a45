"""The country that a phone number belongs to, overseas territories by themselves."""

import phonenumbers

from app.journal import Kind

from .identifier import Identifier

SHARED = "ZZ"
"""Stands for a number of a code that several countries share and none owns up to."""

_LONGEST_CODE = 3
"""Digits."""
_ALONE = {
    f"+{code}": regions[0]
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    if len(regions) == 1
}
_MAYOTTE = ("+262269", "+262639")
_TERRITORIES = {"+262": "RE", "+590": "GP"}
"""Of Réunion's code a part is Mayotte's; Saint-Martin and Saint-Barthélemy share Guadeloupe's."""


def region_of(identifier: Identifier) -> str | None:
    """Tell the country of a phone number (ISO 3166-1 alpha-2); None for what is no phone.

    ``ZZ`` where several countries share its code and the number is no valid one of any.
    """
    return region_of_phone(identifier.value) if identifier.kind is Kind.PHONE else None


def region_of_phone(normal: str) -> str:
    """Tell the same of a phone number in its normal form."""
    for length in range(2, _LONGEST_CODE + 2):
        region = _ALONE.get(normal[:length])
        if region is not None:
            return region
    if normal.startswith(_MAYOTTE):
        return "YT"
    return _TERRITORIES.get(normal[:4]) or _parsed(normal)


def _parsed(normal: str) -> str:
    return phonenumbers.region_code_for_number(phonenumbers.parse(normal)) or SHARED
