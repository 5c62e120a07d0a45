"""A contact point as routes of every room take it, and as they show it."""

from typing import Annotated, Self

from pydantic import Field

from app.identifiers import Identifier, mask
from app.journal import KindWord
from app.platform.wire import Answer, WireModel, text

from .reading import read_identifier


class IdentifierIn(WireModel):
    """A contact point in any usual spelling."""

    kind: KindWord
    value: Annotated[str, text(400)]
    region: Annotated[
        str | None,
        Field(
            pattern="^[A-Z]{2}$",
            description="ISO 3166-1 alpha-2; helps a phone in national form. "
            "Left out: OPTOUT_DEFAULT_REGION",
        ),
    ] = None

    def read(self, *, region: str, pointer: str = "/identifier") -> Identifier:
        """Bring it to its normal form; ``region`` holds where it names none.

        Raises:
            UnusableIdentifier: it has none.
        """
        return read_identifier(
            self.kind, self.value, region=self.region or region, pointer=f"{pointer}/value"
        )


class MaskedOut(Answer):
    """A contact point, masked."""

    kind: KindWord
    masked: str

    @classmethod
    def of(cls, identifier: Identifier) -> Self:
        """Show a contact point to whoever named it."""
        return cls(kind=identifier.kind, masked=mask(identifier))


class SearchIn(WireModel):
    """One contact point to look up."""

    identifier: IdentifierIn
