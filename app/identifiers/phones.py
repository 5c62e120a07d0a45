"""Phone numbers: E.164, as libphonenumber reads them, with the French overseas numbers put right.

libphonenumber's tables age, so a number that it calls possible though not valid is taken: an
objection must not be refused because a range is new.
"""

import re
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber

from .text import Unusable, require_plain

_REGIONS = phonenumbers.SUPPORTED_REGIONS | {"AQ", "BV", "GS", "HM", "PN", "TF", "UM"}
"""Those with a numbering plan, and those of ISO 3166-1 without one, where E.164 still works."""

_INVISIBLE = dict.fromkeys(
    map(ord, "\xad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
) | dict.fromkeys(map(ord, "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"))
"""What address books and web pages leave between digits without anybody seeing it."""

_DASHES = dict.fromkeys(map(ord, "\u2043\u2e3a\u2e3b\ufe58\ufe63"), "-")
"""Dashes that libphonenumber does not count as punctuation."""

_UNSEEN_OR_DASH = _INVISIBLE | _DASHES

_FRENCH = re.compile(r"(\+33[ .]?|0)([1-9](?:[ .-]?[0-9]{2}){4})")
_SEPARATORS = dict.fromkeys(map(ord, " .-"))

_OVERSEAS = (
    dict.fromkeys(("262", "263", "269", "639", "692", "693"), "+262")
    | dict.fromkeys(("590", "690", "691"), "+590")
    | dict.fromkeys(("594", "694"), "+594")
    | dict.fromkeys(("596", "696", "697"), "+596")
)
_FICTIONAL = "63998"
"""Reserved by Arcep for works of fiction, in France, inside a range of Mayotte."""

_LONGEST = 100
"""Characters to parse; libphonenumber's patterns take quadratic time on its own limit, 250."""

_FRANCE = 33
_LONGEST_EXTENSION = 7
_PASSES = 4


def normal_phone(value: str, region: str) -> str:
    """Write a number as E.164; extensions are dropped.

    Raises:
        Unusable: no possible number can be read, the region is unknown, or there seem to be two
            numbers.
    """
    if region not in _REGIONS:
        raise Unusable("the region is not an ISO 3166-1 alpha-2 code")
    # Most of what arrives here; the same answer as the library's, at fifteen times its speed.
    french = _FRENCH.fullmatch(value)
    if french and (region == "FR" or french[1] != "0"):
        return _french(french[2].translate(_SEPARATORS))
    text = " ".join(value.split()).translate(_UNSEEN_OR_DASH)
    require_plain(text)
    if len(text) > _LONGEST:
        raise Unusable(f"no phone number: longer than {_LONGEST} characters")
    return _settle(text, region)


def _french(national: str) -> str:
    if national.startswith(_FICTIONAL):
        return f"+33{national}"
    return _OVERSEAS.get(national[:3], "+33") + national


def _settle(text: str, region: str) -> str:
    """Read until the result reads as itself.

    A number that is not valid may lose a carrier's prefix only when it is read again (Belarus,
    Brazil and China have such); without this it would have two normal forms.
    """
    for _ in range(_PASSES):
        number = _read(text, region)
        normal = _e164(number)
        if normal == text or phonenumbers.is_valid_number(number):
            return normal
        text = normal
    raise Unusable("no phone number: it reads differently each time")


def _read(text: str, region: str) -> PhoneNumber:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        raise Unusable("no phone number can be read from it") from None
    if not phonenumbers.is_possible_number(number):
        raise Unusable("no possible phone number: too short or too long for its country")
    if number.extension and len(number.extension) > _LONGEST_EXTENSION:
        raise Unusable("two phone numbers, or an extension longer than any")
    if _starts_with_national_prefix(number) and not phonenumbers.is_valid_number(number):
        raise Unusable("no phone number: a national prefix stands after the country code")
    return number


def _starts_with_national_prefix(number: PhoneNumber) -> bool:
    prefix = _national_prefix(number.country_code or 0)
    return bool(prefix) and phonenumbers.national_significant_number(number).startswith(prefix)


@cache
def _national_prefix(country_code: int) -> str:
    """Tell what is dialled before a national number within a country; empty where nothing is."""
    region = phonenumbers.region_code_for_country_code(country_code)
    return phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True) or ""


def _e164(number: PhoneNumber) -> str:
    national = phonenumbers.national_significant_number(number)
    if number.country_code == _FRANCE:
        return _french(national)
    return f"+{number.country_code}{national}"
