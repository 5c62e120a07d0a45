"""Contact points spelled for a person to read back, whole: only to whoever may see them."""

import phonenumbers

from app.journal import Kind

from .identifier import Identifier


def spelled(identifier: Identifier) -> str:
    """Spell a contact point as people read it: a phone number in groups (ITU-T E.123)."""
    if identifier.kind is not Kind.PHONE:
        return identifier.value
    return phonenumbers.format_number(
        phonenumbers.parse(identifier.value), phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )


def country_of(identifier: Identifier) -> str | None:
    """Tell the country of a phone number (ISO 3166-1 alpha-2), None where it has none."""
    if identifier.kind is not Kind.PHONE:
        return None
    return (
        phonenumbers.region_code_for_country_code(
            phonenumbers.parse(identifier.value).country_code or 0
        )
        or None
    )
