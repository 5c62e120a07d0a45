"""What a campaign is about, over the wire and as the law is asked."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from app.journal import Kind
from app.platform.strict_json import read_field
from app.platform.wire import Flag, Instant, WireModel, text
from app.points import read_identifier
from app.policy import Purpose, Sector, Terms, object_key

_LONGEST_OBJECT = 200


class CampaignIn(WireModel):
    """What somebody would be contacted for; what is left out is taken as not said."""

    sector: Sector = "none"
    object: Annotated[str, text(_LONGEST_OBJECT)] | None = Field(
        None, description="The goods or services: a consent or a contract counts for its own alone"
    )
    purpose: Purpose = "prospecting"
    automated: Flag = Field(
        default=False, description="Whether a machine speaks: medium `voice` is judged as such"
    )
    caller_id: Annotated[str, text(40)] | None = Field(
        None, description="The number that is shown; left out: one that may be"
    )
    slot: Instant | None = Field(
        None, description="A time that was agreed; it counts if the consent holds it"
    )

    def terms(self, brand: int | None, *, region: str, pointer: str = "/campaign") -> Terms:
        """Read it as the terms of a campaign for a brand; ``pointer`` says where it stands.

        Raises:
            UnusableIdentifier: the number shown is none.
        """
        return Terms(
            brand,
            None if self.object is None else object_key(self.object),
            self.sector,
            self.purpose,
            self.automated,
            None
            if self.caller_id is None
            else read_identifier(
                Kind.PHONE, self.caller_id, region=region, pointer=f"{pointer}/caller_id"
            ).value,
            self.slot,
        )


CampaignText = Annotated[
    CampaignIn | None,
    BeforeValidator(read_field),
    WithJsonSchema(
        {
            "type": "string",
            "description": "JSON, what for, as a check takes it; looked at where the law is asked",
        }
    ),
]
"""A campaign beside a file, whose fields are texts."""


def write_terms(terms: Terms) -> dict[str, Any]:
    """Write terms as a job's parameters hold them, but for the brand, which they name already."""
    written = {name: value for name, value in asdict(terms).items() if name != "brand"}
    return written | {"slot": None if terms.slot is None else terms.slot.isoformat()}


def read_terms(written: Mapping[str, Any], brand: int | None) -> Terms:
    """Read what ``write_terms`` wrote; of a job from before there is none."""
    terms = Terms(**{**written, "brand": brand})
    slot = written.get("slot")
    return terms if slot is None else replace(terms, slot=datetime.fromisoformat(slot))
