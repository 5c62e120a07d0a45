"""What people do to a registry, done in the rooms without the web."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.checks.decisions import decide
from app.checks.lookups import LookUps
from app.identifiers import Identifier
from app.intake.erasures import Erasure, complete_erasure, request_erasure
from app.intake.opt_outs import OptOut, void
from app.intake.receipts import Receipt, accept
from app.intake.reinstatements import Reinstated, reinstate
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Kind, Media, Reason
from app.platform.clock import now
from app.platform.db import Database
from app.platform.ids import new_id
from app.points import PointKeys
from app.registry import Lifting

DAWN = datetime(2026, 3, 1, tzinfo=UTC)
CHANNEL, KEY = 1, 1


def minute(number: int) -> datetime:
    """Tell a time of the past by its number."""
    return DAWN + timedelta(minutes=number)


def phone(number: int) -> Identifier:
    """Name a person of fiction by number, of whom there are ten thousand."""
    return Identifier(Kind.PHONE, f"+3363998{number:04}")


class Registry:
    """A registry without the web: each act is one transaction."""

    def __init__(self, database: Database) -> None:
        """Open it with the keys of the settings."""
        self.database = database
        self.keys = PointKeys.from_settings(database.settings)

    async def object(
        self,
        *people: Identifier,
        media: Media = EVERY_MEDIUM,
        brand: int = EVERY_BRAND,
        at: datetime | None = None,
        reason: Reason = Reason.OBJECTION,
        reference: str | None = None,
    ) -> Receipt:
        """Record an opt-out that occurred ``at``, or now."""
        recorded = now()
        opt_out = OptOut(
            id=new_id(),
            recorded_at=recorded,
            occurred_at=at or recorded,
            channel=CHANNEL,
            reason=reason,
            media=media,
            brand=brand,
            key=KEY,
            reference=reference,
        )
        async with self.database.transaction() as session:
            return await accept(session, self.keys, opt_out, people)

    async def reinstate(
        self,
        person: Identifier,
        *,
        media: Media = EVERY_MEDIUM,
        brand: int = EVERY_BRAND,
        at: datetime | None = None,
    ) -> Reinstated:
        """Record a person's own later act."""
        recorded = now()
        lifting = Lifting(
            new_id(), brand, media, CHANNEL, KEY, at or recorded, recorded, {"kind": "letter"}
        )
        async with self.database.transaction() as session:
            return await reinstate(session, self.keys, lifting, person)

    async def void(self, opt_out: UUID) -> int | None:
        """Void an opt-out: the position of what it changed."""
        async with self.database.transaction() as session:
            return (await void(session, opt_out, by="tests", reason="mistake", at=now())).position

    async def erase(self, *people: Identifier) -> UUID:
        """Ask to forget people."""
        erasure = Erasure(new_id(), now(), None, KEY, None)
        async with self.database.transaction() as session:
            await request_erasure(session, self.keys, erasure, people)
        return erasure.id

    async def destroy(self, erasure: UUID, *, waiting: timedelta = timedelta(0)) -> bool:
        """Destroy what an erasure is about, if everybody was told or waited for long enough."""
        async with self.database.transaction() as session:
            return await complete_erasure(session, erasure, at=now(), delay=waiting)

    async def allows(
        self, look_ups: LookUps, people: Collection[Identifier], medium: Media, brand: int | None
    ) -> bool:
        """Ask whether somebody with these contact points may be contacted."""
        hits = []
        for person in people:
            asked = [(digest, medium) for digest in self.keys.digests.digests(person)]
            hits.append([hit for one in await look_ups.one(asked) for hit in one.hits])
        return decide(hits, brand=brand).decision == "allow"
