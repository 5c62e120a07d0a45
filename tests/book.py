"""What is recorded about people who may be contacted, as other rooms record it."""

from datetime import UTC, date, datetime
from typing import Any

from app import contacts
from app.contacts import (
    Audience,
    Mention,
    NewAttempt,
    NewConsent,
    NewContract,
    NewProfile,
    Origin,
    PositiveAct,
    SourceKind,
    Wording,
)
from app.identifiers import Identifier
from app.journal import Media
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import Registry

OBJECT = "heat pumps"
LAWFUL, OTHER = 1, 2
"""The numbers of two brands."""


class Book:
    """What is recorded about people, as other rooms do it."""

    def __init__(self, database: Database) -> None:
        """Open the registry without the web."""
        self.registry = Registry(database)

    async def consent(self, person: Identifier, **other: Any) -> None:  # noqa: ANN401 - fields
        """Record a complete consent to calls about the object, of 1 October 2026."""
        fields = {
            "brand": LAWFUL,
            "object": OBJECT,
            "medium": Media.VOICE,
            "given_at": datetime(2026, 10, 1, 8, tzinfo=UTC),
            "given_offset": 120,
            "expires_at": None,
            "wording": Wording(b"\1" * 32, "v1", "May we call you?"),
            "mentions": Mention(31),
            "positive_act": PositiveAct.TICKED_BOX,
            "source": SourceKind.FORM,
            "told": {"evidence": {"kind": "call_recording", "reference": "rec-1"}},
        }
        new = NewConsent(person, **{**fields, **other})
        async with self.registry.database.transaction() as session:
            await contacts.record_consents(
                session, self.registry.keys, [new], Origin(1, None, now())
            )

    async def attempts(self, person: Identifier, *times: datetime) -> None:
        """Record calls that nobody answered."""
        news = [NewAttempt(person, Media.VOICE, one, LAWFUL) for one in times]
        async with self.registry.database.transaction() as session:
            await contacts.record_attempts(
                session, self.registry.keys, news, Origin(1, None, now())
            )

    async def contract(self, person: Identifier, **other: Any) -> None:  # noqa: ANN401 - fields
        """Record a contract about the object since 2026."""
        new = NewContract(person, LAWFUL, OBJECT, date(2026, 1, 1), **{"to_on": None, **other})
        async with self.registry.database.transaction() as session:
            await contacts.record_contracts(
                session, self.registry.keys, [new], Origin(1, None, now())
            )

    async def profile(self, person: Identifier, **other: Any) -> None:  # noqa: ANN401 - fields
        """Record who somebody is, known since 1 October 2026 or ``at``."""
        at = other.pop("at", datetime(2026, 10, 1, tzinfo=UTC))
        fields = {
            "audience": Audience.UNKNOWN,
            "sole_trader": None,
            "country": None,
            "time_zone": None,
            "evidence": {"kind": "register"},
        }
        new = NewProfile(person, **{**fields, **other})
        async with self.registry.database.transaction() as session:
            await contacts.record_profiles(session, self.registry.keys, [new], Origin(1, None, at))


def told(answer: dict[str, Any]) -> tuple[str, list[str]]:
    """Give the decision and its codes."""
    return answer["decision"], [one["code"] for one in answer["reasons"]]
