"""The tables of what allows or limits a contact; rows hold the numbers of contact points.

Consents and withdrawals are facts that are only added: what a consent is worth at a moment is
derived from both, so that the order in which they arrive decides nothing.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

_Instant = TIMESTAMP(timezone=True)


class ContactObject(Base):
    """What is offered, goods or services, by its name as ``policy.object_key`` writes it."""

    __tablename__ = "contact_objects"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)


class ConsentWording(Base):
    """What people were shown or told when they consented, to the letter; ``text`` is sealed."""

    __tablename__ = "consent_wordings"
    __table_args__ = (
        Index("uq_consent_wordings_sha256_version", "sha256", "version", unique=True),
    )

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    version: Mapped[str] = mapped_column(Text)
    text: Mapped[bytes] = mapped_column(LargeBinary)


class ConsentRow(Base):
    """One consent, of one person to one brand, for one object and one medium.

    ``given_offset`` is that of the time as it was said, in minutes; ``expires_at`` is what the
    wording says, the law may end it earlier. ``slots`` are agreed times, beginnings and ends by
    turns. ``evidence`` is sealed until its time is over, when ``proof`` falls with it.
    """

    __tablename__ = "consents"
    __table_args__ = (
        Index(
            "uq_consents_said",
            "point",
            "given_at",
            "expires_at",
            "object",
            "wording",
            "brand",
            "medium",
            "proof",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "ix_consents_evidence_given_at",
            "given_at",
            postgresql_where=text("evidence IS NOT NULL"),
        ),
        Index("ix_consents_brand_id", "brand", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    point: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact_points.id"))
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    given_at: Mapped[datetime] = mapped_column(_Instant)
    expires_at: Mapped[datetime | None] = mapped_column(_Instant)
    key: Mapped[int] = mapped_column(Integer)
    object: Mapped[int] = mapped_column(Integer, ForeignKey("contact_objects.id"))
    wording: Mapped[int] = mapped_column(Integer, ForeignKey("consent_wordings.id"))
    given_offset: Mapped[int] = mapped_column(SmallInteger)
    brand: Mapped[int] = mapped_column(SmallInteger)
    medium: Mapped[int] = mapped_column(SmallInteger)
    mentions: Mapped[int] = mapped_column(SmallInteger)
    positive_act: Mapped[int] = mapped_column(SmallInteger)
    proof: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[int] = mapped_column(SmallInteger)
    channel: Mapped[int | None] = mapped_column(SmallInteger)
    collected_by: Mapped[int | None] = mapped_column(SmallInteger)
    called_by: Mapped[int | None] = mapped_column(SmallInteger)
    slots: Mapped[list[datetime] | None] = mapped_column(ARRAY(_Instant))
    evidence: Mapped[bytes | None] = mapped_column(LargeBinary)


class ConsentCopy(Base):
    """That a person asked for a copy of a consent, or that a link to one was made for them."""

    __tablename__ = "consent_copies"
    __table_args__ = (Index("ix_consent_copies_consent", "consent"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    consent: Mapped[UUID] = mapped_column(Uuid, ForeignKey("consents.id"))
    requested_at: Mapped[datetime] = mapped_column(_Instant)
    key: Mapped[int] = mapped_column(Integer)


class Withdrawal(Base):
    """That a person withdrew consent or refused a call: an opt-out, as a fact of consents.

    ``record`` is the opt-out's id, or the import's. Brand 0 is every brand; for ``lifted`` a later
    positive act of the person allows contact again, which makes no consent of a withdrawn one.
    """

    __tablename__ = "withdrawals"
    __table_args__ = (
        Index("ix_withdrawals_point_occurred_at", "point", "occurred_at"),
        Index("ix_withdrawals_record", "record"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    point: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact_points.id"))
    occurred_at: Mapped[datetime] = mapped_column(_Instant)
    voided_at: Mapped[datetime | None] = mapped_column(_Instant)
    record: Mapped[UUID] = mapped_column(Uuid)
    brand: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    lifted: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    reason: Mapped[int] = mapped_column(SmallInteger)


class ContractRow(Base):
    """That somebody is or was a brand's customer for an object, on the days [from, to).

    ``reference`` is sealed.
    """

    __tablename__ = "contracts"
    __table_args__ = (
        Index(
            "uq_contracts_point_brand_object_from_on",
            "point",
            "brand",
            "object",
            "from_on",
            unique=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    point: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact_points.id"))
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    key: Mapped[int] = mapped_column(Integer)
    object: Mapped[int] = mapped_column(Integer, ForeignKey("contact_objects.id"))
    from_on: Mapped[date] = mapped_column(Date)
    to_on: Mapped[date | None] = mapped_column(Date)
    brand: Mapped[int] = mapped_column(SmallInteger)
    channel: Mapped[int | None] = mapped_column(SmallInteger)
    opt_out_offered: Mapped[bool]
    reference: Mapped[bytes | None] = mapped_column(LargeBinary)


class AttemptRow(Base):
    """That somebody was called or written to, answered or not; kept for some weeks.

    There are a million a day, so nothing but the key holds them together, and what is old is
    found by where it lies.
    """

    __tablename__ = "contact_attempts"
    __table_args__ = (
        Index(
            "ix_contact_attempts_attempted_at",
            "attempted_at",
            postgresql_using="brin",
        ),
    )

    point: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("contact_points.id"), primary_key=True
    )
    medium: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    attempted_at: Mapped[datetime] = mapped_column(_Instant, primary_key=True)
    brand: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    party: Mapped[int | None] = mapped_column(SmallInteger)
    channel: Mapped[int | None] = mapped_column(SmallInteger)


class _Profile:
    """What is known of the person behind a contact point and decides which rules hold.

    ``fits`` are the objects that fit a professional's job; ``evidence``, how one knows, is sealed.
    """

    point: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("contact_points.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[int] = mapped_column(Integer)
    audience: Mapped[int] = mapped_column(SmallInteger)
    sole_trader: Mapped[bool | None]
    country: Mapped[str | None] = mapped_column(Text)
    time_zone: Mapped[str | None] = mapped_column(Text)
    fits: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    evidence: Mapped[bytes | None] = mapped_column(LargeBinary)


class ProfileRow(_Profile, Base):
    """What is known of somebody now."""

    __tablename__ = "contact_profiles"

    recorded_at: Mapped[datetime] = mapped_column(_Instant)


class ProfileVersion(_Profile, Base):
    """What was known of somebody until ``superseded_at``, to judge the moments before by it."""

    __tablename__ = "contact_profile_versions"
    __table_args__ = (Index("ix_contact_profile_versions_superseded_at", "superseded_at"),)

    recorded_at: Mapped[datetime] = mapped_column(_Instant, primary_key=True)
    superseded_at: Mapped[datetime] = mapped_column(_Instant)


class ContactRefusal(Base):
    """A row of a file of consents and the like that was refused whole; ``value`` is masked."""

    __tablename__ = "contact_refusals"

    job: Mapped[UUID] = mapped_column(Uuid, ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(BigInteger)
    column: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)


class ContactImportRecord(Base):
    """That a file of consents or contracts brought a record, by which it can be taken back."""

    __tablename__ = "contact_import_records"

    job: Mapped[UUID] = mapped_column(Uuid, ForeignKey("jobs.id"), primary_key=True)
    record: Mapped[UUID] = mapped_column(Uuid, primary_key=True)


class ContactImportVoid(Base):
    """That a file of consents or contracts was a mistake; the job ``void`` takes it back."""

    __tablename__ = "contact_import_voids"

    job: Mapped[UUID] = mapped_column(Uuid, ForeignKey("jobs.id"), primary_key=True)
    void: Mapped[UUID] = mapped_column(Uuid, ForeignKey("jobs.id"))
    voided_at: Mapped[datetime] = mapped_column(_Instant)
    voided_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
