"""A contact point in its one normal form."""

from dataclasses import dataclass

from app.journal import Kind

from .emails import normal_email
from .masks import masked
from .phones import normal_phone
from .registers import normal_customer, normal_siren
from .text import require_bounded


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
    require_bounded(value)
    match kind:
        case Kind.PHONE:
            normal = normal_phone(value, region)
        case Kind.EMAIL:
            normal = normal_email(value)
        case Kind.SIREN:
            normal = normal_siren(value)
        case Kind.CUSTOMER:
            normal = normal_customer(value)
    return Identifier(kind, normal)


def mask(identifier: Identifier) -> str:
    """Show enough of a contact point for its owner to recognise it, and not enough to use it."""
    return masked(identifier.kind, identifier.value)
