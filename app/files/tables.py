"""The tables of files kept for a while, sealed, and of the jobs that work on them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base

_Instant = TIMESTAMP(timezone=True)


class StoredFileRow(Base):
    """A file that is kept until ``expires_at`` (null: until somebody releases it).

    ``size`` and ``sha256`` are of the plain content, null while it is being written; ``name`` is
    what the sender calls it, sealed because it may name a person.
    """

    __tablename__ = "files"
    __table_args__ = (Index("ix_files_expires_at", "expires_at"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(_Instant)
    expires_at: Mapped[datetime | None] = mapped_column(_Instant)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    name: Mapped[bytes | None] = mapped_column(LargeBinary)


class FileChunk(Base):
    """A mebibyte of a file, packed and sealed; none where files lie in a directory."""

    __tablename__ = "file_chunks"

    file: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class JobRow(Base):
    """A job: what is to be done, how far it is, and who may go on with it.

    ``due_at`` is when it may be taken: at once, or when the lease of whoever has it ends. Nobody
    writes progress but under the fence that the lease was taken with. ``resume`` is where to go
    on, written in the transaction of the work; ``tries`` counts how often the job was taken
    since. ``error`` is the stable name of why it failed, ``detail`` the same for people.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ix_jobs_open", "created_at", postgresql_where=text("state IN ('queued', 'running')")
        ),
        Index("ix_jobs_key", "key", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text, server_default=text("'queued'"))
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    upload: Mapped[UUID | None] = mapped_column(Uuid)
    result: Mapped[UUID | None] = mapped_column(Uuid)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    done_rows: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    position: Mapped[int | None] = mapped_column(BigInteger)
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    resume: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Instant)
    started_at: Mapped[datetime | None] = mapped_column(_Instant)
    ended_at: Mapped[datetime | None] = mapped_column(_Instant)
    due_at: Mapped[datetime] = mapped_column(_Instant, server_default=text("now()"))
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
