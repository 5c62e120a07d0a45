"""Consents: kept with their whole evidence, as facts; what one is worth is derived from them.

A consent is for one brand, one object and one medium. Recording one lifts no objection.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.identifiers import Identifier
from app.journal import Media
from app.platform.ids import new_id
from app.platform.refusals import NotFound
from app.platform.vault import Vault

from .naming import Wording, name_objects, read_wordings
from .refusals import UnusableRecord
from .sealing import of_consent, unseal
from .words import (
    MENTIONS,
    ConsentState,
    Mention,
    PositiveAct,
    Proof,
    SourceKind,
    mentions_needed,
)

AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""
MOST_SHOWN = 200
TEMPLATE = "template"
"""The kind of evidence that shows what everybody was shown, and nothing of this person."""

Slot = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who records something, and when; ``channel`` is the one that the key is bound to."""

    key: int
    channel: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class NewConsent:
    """A consent as it arrived; ``told`` is what is sealed beside it.

    ``given_offset`` is that of the time as it was said, in minutes east of UTC.
    """

    identifier: Identifier
    brand: int
    object: str
    medium: Media
    given_at: datetime
    given_offset: int
    expires_at: datetime | None
    wording: Wording
    mentions: Mention
    positive_act: PositiveAct
    source: SourceKind
    collected_by: int | None = None
    called_by: int | None = None
    slots: tuple[Slot, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> Hashable:
        """What makes two consents the same."""
        said = (self.given_at, self.expires_at, self.object, self.wording.name)
        return (self.identifier, *said, self.brand, self.medium, self.proof)

    @property
    def proof(self) -> Proof:
        """Tell what the record proves.

        A supplier's word proves nothing (CNIL SAN-2022-021, SAN-2024-003), nor does the template
        of a form.
        """
        if self.source is SourceKind.SUPPLIER and not _evidence(self.told):
            return Proof.UNPROVEN
        lacking = lacks(self.medium, self.mentions, self.positive_act, proven=_is_own(self.told))
        return Proof.INCOMPLETE if lacking else Proof.COMPLETE


@dataclass(frozen=True, slots=True)
class Recorded:
    """A consent that was recorded, now or before; ``point`` is its contact point's number."""

    id: UUID
    point: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent as it stands; ``withdrawn_at`` is None where it never was.

    ``told`` is the evidence, opened; ``destroyed`` says that its time was over. ``copies`` are
    when copies were asked for.
    """

    id: UUID
    point: int
    recorded_at: datetime
    given_at: datetime
    given_offset: int
    expires_at: datetime | None
    withdrawn_at: datetime | None
    brand: int
    object: str
    medium: Media
    wording: Wording
    mentions: Mention
    positive_act: PositiveAct
    proof: Proof
    source: SourceKind
    channel: int | None
    collected_by: int | None
    called_by: int | None
    slots: tuple[Slot, ...]
    told: Mapping[str, Any] = field(repr=False)
    destroyed: bool
    copies: Sequence[datetime]

    @property
    def given_where(self) -> datetime:
        """When it was given, as the clock on the wall showed it."""
        return self.given_at.astimezone(timezone(timedelta(minutes=self.given_offset)))

    @property
    def valid_until(self) -> datetime | None:
        """When it ends by itself: what its wording says, for calls a year at most.

        The year is 365 days by the clock on the wall, and never more than the calendar's (C. conso
        R223-2).
        """
        if self.medium is not Media.VOICE:
            return self.expires_at
        longest = self.given_at + timedelta(days=365)
        return longest if self.expires_at is None else min(longest, self.expires_at)

    def state(self, at: datetime) -> ConsentState:
        """Tell what it is worth at a moment, for its own brand, object and medium."""
        if self.proof is Proof.VOIDED:
            return "voided"
        if self.withdrawn_at is not None and self.withdrawn_at <= at:
            return "withdrawn"
        if self.proof is not Proof.COMPLETE:
            unproven = self.proof is Proof.UNPROVEN
            return "third_party_unproven" if unproven else "incomplete_proof"
        ends_at = self.valid_until
        return "valid" if ends_at is None or at < ends_at else "expired"

    @property
    def lacks(self) -> list[str]:
        """Name what its proof lacks."""
        proven = not self.destroyed and _is_own(self.told)
        return lacks(self.medium, self.mentions, self.positive_act, proven=proven)


def lacks(
    medium: Media, mentions: Mention, positive_act: PositiveAct, *, proven: bool
) -> list[str]:
    """Name what a consent's proof lacks: mentions, the positive act, the person's own proof."""
    needed = mentions_needed(medium) & ~mentions
    found = [f"mention_{(one.name or '').lower()}" for one in MENTIONS if one in needed]
    if not positive_act.is_positive:
        found.append("positive_act")
    return found if proven else [*found, "own_proof"]


def _evidence(told: Mapping[str, Any]) -> bool:
    return bool(told.get("evidence") or told.get("technical"))


def _is_own(told: Mapping[str, Any]) -> bool:
    kind = (told.get("evidence") or {}).get("kind")
    return kind != TEMPLATE if kind else bool(told.get("technical"))


def require_sound(new: NewConsent, *, at: datetime, pointer: str = "") -> None:
    """Refuse a consent that contradicts the calendar or itself.

    Raises:
        UnusableRecord: it says where.
    """
    if new.given_at > at + AHEAD:
        raise UnusableRecord("in_the_future", f"{pointer}/given_at", "it lies in the future")
    if new.expires_at is not None and new.expires_at <= new.given_at:
        raise UnusableRecord(
            "ends_before_it_starts", f"{pointer}/expires_at", "it ends before it begins"
        )
    for number, (begin, end) in enumerate(new.slots):
        if end <= begin:
            raise UnusableRecord(
                "ends_before_it_starts", f"{pointer}/slots/{number}", "it ends before it begins"
            )


_READ = """
SELECT c.*, w.withdrawn_at,
       ARRAY(SELECT requested_at FROM consent_copies y WHERE y.consent = c.id
             ORDER BY requested_at DESC LIMIT 50) AS copies
FROM consents c
LEFT JOIN LATERAL (
    SELECT min(w.occurred_at) AS withdrawn_at FROM withdrawals w
    WHERE w.point = c.point AND w.brand IN (0, c.brand) AND w.media & c.medium <> 0
      AND w.occurred_at >= c.given_at AND w.voided_at IS NULL
) w ON true
"""


async def find_consent(
    session: AsyncSession, vault: Vault, number: UUID, *, channel: int | None
) -> Consent:
    """Find a consent, if ``channel`` is None or recorded it.

    Raises:
        NotFound: there is none, or another channel's.
    """
    rows = await session.execute(text(f"{_READ} WHERE c.id = :id"), {"id": number})
    found = [row for row in rows if channel in (None, row.channel)]
    if not found:
        raise NotFound("There is no such consent.")
    return (await _consents(session, vault, found))[0]


async def consents_on(
    session: AsyncSession, vault: Vault, point: int | None, *, channel: int | None
) -> list[Consent]:
    """List the consents of a contact point, the latest first, 200 at most."""
    rows = await session.execute(
        text(f"""
            {_READ} WHERE c.point = :point
              AND (CAST(:channel AS int2) IS NULL OR c.channel = :channel)
            ORDER BY c.given_at DESC LIMIT :most
        """),
        {"point": point, "channel": channel, "most": MOST_SHOWN},
    )
    return await _consents(session, vault, rows.all())


async def list_consents(
    session: AsyncSession,
    vault: Vault,
    *,
    brand: int | None,
    channel: int | None,
    before: UUID | None,
    limit: int,
) -> list[Consent]:
    """List consents as they were recorded, the latest first, of one brand or of all."""
    rows = await session.execute(
        text(f"""
            {_READ} WHERE (CAST(:brand AS int2) IS NULL OR c.brand = :brand)
              AND (CAST(:channel AS int2) IS NULL OR c.channel = :channel)
              AND (CAST(:before AS uuid) IS NULL OR c.id < :before)
            ORDER BY c.id DESC LIMIT :limit
        """),
        {"brand": brand, "channel": channel, "before": before, "limit": limit},
    )
    return await _consents(session, vault, rows.all())


async def _consents(session: AsyncSession, vault: Vault, rows: Sequence[Row[Any]]) -> list[Consent]:
    objects = await name_objects(session, (row.object for row in rows))
    wordings = await read_wordings(session, vault, (row.wording for row in rows))
    return [_consent(row, vault, objects[row.object], wordings[row.wording]) for row in rows]


def _consent(row: Row[Any], vault: Vault, offered: str, wording: Wording) -> Consent:
    moments = row.slots or ()
    return Consent(
        row.id,
        row.point,
        row.recorded_at,
        row.given_at,
        row.given_offset,
        row.expires_at,
        row.withdrawn_at,
        row.brand,
        offered,
        Media(row.medium),
        wording,
        Mention(row.mentions),
        PositiveAct(row.positive_act),
        Proof(row.proof),
        SourceKind(row.source),
        row.channel,
        row.collected_by,
        row.called_by,
        tuple(zip(moments[::2], moments[1::2], strict=True)),
        unseal(vault, row.evidence, of_consent(row.id)),
        row.evidence is None,
        row.copies,
    )


async def note_copy(session: AsyncSession, consent: UUID, *, key: int, at: datetime) -> UUID:
    """Note that a copy of a consent was asked for; key 0 stands for the person's own link."""
    number = new_id()
    await session.execute(
        text("""
            INSERT INTO consent_copies (id, consent, requested_at, key)
            VALUES (:id, :consent, :at, :key)
        """),
        {"id": number, "consent": consent, "at": at, "key": key},
    )
    return number
