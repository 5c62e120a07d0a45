"""The table of contact points."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, text
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
