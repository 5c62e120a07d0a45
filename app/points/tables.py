"""The table of contact points."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base


class ContactPoint(Base):
    """A contact point: a keyed digest to find it, a sealed value to tell it, until it is erased."""

    __tablename__ = "contact_points"
    __table_args__ = (
        Index("ix_contact_points_erased", "id", postgresql_where=text("sealed IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    erased_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    kind: Mapped[int] = mapped_column(SmallInteger)
    key_number: Mapped[int] = mapped_column(SmallInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class MergedPoint(Base):
    """A contact point whose normal form became another one, and whose grounds lie with that.

    Databases were told the old form and may know the person by it alone: it stays suppressed for
    as long as the new one is.
    """

    __tablename__ = "merged_points"
    __table_args__ = (Index("ix_merged_points_into_point", "into_point"),)

    point: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("contact_points.id"), primary_key=True
    )
    into_point: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact_points.id"))


class PhoneTables(Base):
    """Which tables the normal forms of phones were made by; empty while they are made anew.

    One row. Whoever reads numbers by others neither answers nor writes.
    """

    __tablename__ = "phone_tables"

    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(Text)
