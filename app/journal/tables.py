"""The tables of the journal: its head, its entries, its followers and what they acknowledged."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
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


class JournalHead(Base):
    """How long the journal is and the hash of its last entry. One row, for it serialises commits.

    The low fill factor keeps the new versions of that row on its page, where they are pruned.
    """

    __tablename__ = "journal_head"
    __table_args__ = ({"postgresql_with": {"fillfactor": 10}},)

    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    journal_id: Mapped[UUID] = mapped_column(Uuid)
    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class JournalEntry(Base):
    """One change of what is suppressed; never updated, never deleted.

    ``media`` is the whole state after the change; ``touches`` adds the media before it, which
    decide whom the entry concerns. No foreign key leads upwards: the journal stands below the
    rooms whose numbers it keeps. The index is over live entries alone, so that the express lane
    finds them without a look at the million of an import between them. It is over ``position + 0``
    because over ``position`` the planner at times preferred the primary key, and looked. The other
    index is over the few entries that undo something: adding one costs it nothing.
    """

    __tablename__ = "journal_entries"
    __table_args__ = (
        Index("ix_journal_entries_live", text("(position + 0)"), postgresql_where=text("lane = 1")),
        Index(
            "ix_journal_entries_undoing",
            "point",
            "position",
            postgresql_where=text("change <> 1"),
        ),
    )

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    point: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime] = mapped_column(_Instant)
    recorded_at: Mapped[datetime] = mapped_column(_Instant)
    version: Mapped[int] = mapped_column(Integer)
    brand: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    touches: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[int] = mapped_column(SmallInteger)
    change: Mapped[int] = mapped_column(SmallInteger)
    lane: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[int] = mapped_column(SmallInteger)
    id: Mapped[UUID] = mapped_column(Uuid)
    commitment: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Follower(Base):
    """A database's cursor, and who may move it.

    ``scanned``: every entry up to here is acknowledged or does not concern it. ``told``: the last
    ``to`` that was acknowledged, the next batch's ``previous``. ``acknowledged``: the highest
    position that has an acknowledgement in the present generation; a replay does not lower it.
    A generation ends when the registration changes. ``holder``: the fence under which the lease
    was taken. A fence raised since bars its word, but nobody else sends before it is given back.
    ``begun_at``: when it was last sent back; it cannot have owed anything for longer.
    ``worker``: who holds it; the lease of one that is gone is void. ``refused``: the last failure
    was an answer about the batch, so that other entries may be taken all the same.
    """

    __tablename__ = "followers"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    registered_after: Mapped[int] = mapped_column(BigInteger)
    scanned: Mapped[int] = mapped_column(BigInteger)
    told: Mapped[int] = mapped_column(BigInteger)
    acknowledged: Mapped[int] = mapped_column(BigInteger)
    pushed: Mapped[bool]
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    replays: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    batch_limit: Mapped[int] = mapped_column(Integer)
    begun_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    due_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    holder: Mapped[int | None] = mapped_column(BigInteger)
    lease_until: Mapped[datetime | None] = mapped_column(_Instant)
    worker: Mapped[int | None] = mapped_column(Integer)
    refused: Mapped[bool] = mapped_column(server_default=text("false"))


class ExpressLane(Base):
    """A follower's second cursor, over live entries alone, and who may move it.

    ``told``: each live entry up to here that concerns it was acknowledged on this lane or before
    on the main one, or is left to the main lane. The rest is as in ``Follower``: a lease, a fence
    and failures of its own, for one request may be under way on either lane.
    """

    __tablename__ = "express_lanes"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    follower: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("followers.id", ondelete="CASCADE"), primary_key=True
    )
    told: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    batch_limit: Mapped[int] = mapped_column(Integer, server_default=text("500"))
    due_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    holder: Mapped[int | None] = mapped_column(BigInteger)
    lease_until: Mapped[datetime | None] = mapped_column(_Instant)
    worker: Mapped[int | None] = mapped_column(Integer)


class FollowerScope(Base):
    """What concerned a follower in one generation: kinds and media as bits, brands (null: all)."""

    __tablename__ = "follower_scopes"

    follower: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("followers.id", ondelete="CASCADE"), primary_key=True
    )
    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    kinds: Mapped[int] = mapped_column(SmallInteger)
    media: Mapped[int] = mapped_column(SmallInteger)
    brands: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger))


class Acknowledgement(Base):
    """That a follower applied everything after one position up to another: the proof."""

    __tablename__ = "acknowledgements"
    __table_args__ = (Index("ix_acknowledgements_follower_at", "follower", "at"),)

    follower: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    upto: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    after: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(_Instant)


class EarlyAcknowledgement(Base):
    """That a follower applied, on the express lane, the live entries after one position to another.

    What lies between two of them was left to the main lane.
    """

    __tablename__ = "early_acknowledgements"
    __table_args__ = (Index("ix_early_acknowledgements_follower_at", "follower", "at"),)

    follower: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    upto: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    after: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(_Instant)


class Parked(Base):
    """An entry that a follower refuses by itself, and that its main lane went on without.

    No acknowledgement covers it until it is taken; then the row goes.
    """

    __tablename__ = "parked_entries"

    follower: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("followers.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    parked_at: Mapped[datetime] = mapped_column(_Instant)
    due_at: Mapped[datetime] = mapped_column(_Instant)
    tries: Mapped[int] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(Text)


class Outcome(Base):
    """What a follower says it did with one entry."""

    __tablename__ = "outcomes"

    follower: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    outcome: Mapped[int] = mapped_column(SmallInteger)
    contacts_cancelled: Mapped[int | None] = mapped_column(Integer)
    applied_at: Mapped[datetime | None] = mapped_column(_Instant)
    told_at: Mapped[datetime] = mapped_column(_Instant)


class Recalled(Base):
    """How many contacts a follower took out of its queues when entries were recalled.

    One row for each list that was taken, at the position of its last entry. Apart from outcomes,
    which say what became of the entries themselves and may be said again.
    """

    __tablename__ = "recalled"

    follower: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    contacts_cancelled: Mapped[int] = mapped_column(Integer)
    told_at: Mapped[datetime] = mapped_column(_Instant)
