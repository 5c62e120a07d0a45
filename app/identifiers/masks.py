"""Contact points as people may see them."""

import phonenumbers
from phonenumbers import PhoneNumberFormat

from app.journal import Kind

_DOT = "•"
_HIDDEN = _DOT * 3

_FRENCH = "+33"
_FRENCH_LENGTH = 12

_FEWEST_SHOWN = 6
"""Digits below which a national number is hidden whole: three shown would be half of it."""


def masked(kind: Kind, normal: str) -> str:
    """Hide a normal form but for its ends, and its length where that would tell something."""
    match kind:
        case Kind.PHONE:
            return _masked_phone(normal)
        case Kind.EMAIL:
            local, _, domain = normal.rpartition("@")
            return f"{_printable(local[:1])}{_HIDDEN}@{domain}"
        case Kind.SIREN | Kind.CUSTOMER:
            return _HIDDEN + _printable(normal[-2:])


def _masked_phone(normal: str) -> str:
    """Show country code, first and last two national digits, in the country's own grouping."""
    if normal.startswith(_FRENCH) and len(normal) == _FRENCH_LENGTH:
        return f"{_FRENCH} {normal[3]} •• •• •• {normal[-2:]}"
    written = phonenumbers.format_number(
        phonenumbers.parse(normal), PhoneNumberFormat.INTERNATIONAL
    )
    country, _, national = written.partition(" ")
    return f"{country} {_dotted(national)}"


def _dotted(national: str) -> str:
    places = [place for place, sign in enumerate(national) if sign.isdigit()]
    shown = {places[0], *places[-2:]} if len(places) >= _FEWEST_SHOWN else set()
    return "".join(
        _DOT if place in places and place not in shown else sign
        for place, sign in enumerate(national)
    )


def _printable(text: str) -> str:
    # A bidirectional override shown raw would turn round the line that it stands in.
    return "".join(sign if sign.isprintable() else _DOT for sign in text)
