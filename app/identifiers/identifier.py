"""A contact point in its one normal form."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.journal import Kind

from .emails import normal_email
from .masks import masked
from .phones import normal_phone, normal_phones
from .registers import normal_customer, normal_siren
from .text import Unusable, require_bounded


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """A contact point: its kind and its normal form. Only ``normalise`` makes one from a text."""

    kind: Kind
    value: str

    def __repr__(self) -> str:
        """Show it masked, for a ``repr`` ends in logs."""
        return f"Identifier({self.kind.word}, {mask(self)!r})"


def normalise(kind: Kind, value: str, *, region: str) -> Identifier:
    """Find the normal form of a contact point as people and programs write it.

    ``region`` (ISO 3166-1 alpha-2) is where a phone number in national form belongs; it is not
    looked at for the other kinds.

    Raises:
        Unusable: the text, or a phone number's region, has no normal form.
    """
    return Identifier(kind, _normal(kind, value, region))


def normalise_many(kind: Kind, values: Sequence[str], *, region: str) -> list[str | None]:
    """Find the normal forms of many contact points of one kind, None for what is unusable.

    Best some hundreds at a time. Phones in their usual spellings, a million a second.
    """
    if kind is Kind.PHONE:
        return normal_phones(values, region)
    return [_normal_or_none(kind, value, region) for value in values]


def _normal_or_none(kind: Kind, value: str, region: str) -> str | None:
    try:
        return _normal(kind, value, region)
    except Unusable:
        return None


def _normal(kind: Kind, value: str, region: str) -> str:
    require_bounded(value)
    match kind:
        case Kind.PHONE:
            return normal_phone(value, region)
        case Kind.EMAIL:
            return normal_email(value)
        case Kind.SIREN:
            return normal_siren(value)
        case Kind.CUSTOMER:
            return normal_customer(value)


def mask(identifier: Identifier) -> str:
    """Show enough of a contact point for its owner to recognise it, and not enough to use it."""
    return masked(identifier.kind, identifier.value)
