"""What people name by a slug: made once under that name, or unknown by it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import BigInteger, Select, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.problems import FieldError, Problem
from app.platform.refusals import NotFound

from .tables import BrandRow, ChannelRow, DatabaseRow, PartyRow

R = TypeVar("R", bound=BrandRow | PartyRow | ChannelRow | DatabaseRow)


class AlreadyExists(Problem):
    """Something of this kind has this slug already. Nothing was changed.

    Choose another slug, or change the one that is there with PATCH.
    """

    type = "already-exists"
    title = "This slug is taken"
    status = 409


class Unknown(Problem):
    """A name in a request that nothing has; ``field`` is what names such things, mostly."""

    status = 422
    field: ClassVar[str]

    def __init__(self, detail: str, pointer: str | None = None) -> None:
        """Say where the name stood; left out: in the ``field`` of the body."""
        where = f"/{self.field}" if pointer is None else pointer
        super().__init__(detail, errors=[FieldError(where, "is not registered")])

    def moved(self, pointer: str) -> Self:
        """Say the same of another place."""
        return type(self)(self.detail, pointer)


class UnknownBrand(Unknown):
    """The request names a brand that is not registered, and so nothing was done.

    Register it at `/v1/brands` first, or leave it out to mean every brand.
    """

    type = "unknown-brand"
    title = "There is no such brand"
    field = "brand"


class UnknownParty(Unknown):
    """The request names a party that is not registered: add it at `/v1/parties` first."""

    type = "unknown-party"
    title = "There is no such party"
    field = "party"


class UnknownChannel(Unknown):
    """The request names a channel that is not registered: add it at `/v1/channels` first."""

    type = "unknown-channel"
    title = "There is no such channel"
    field = "channel"


class UnknownDatabase(Unknown):
    """The request names a database that is not registered, or no longer."""

    type = "unknown-database"
    title = "There is no such database"
    field = "database"


async def insert_new(session: AsyncSession, table: type[R], slug: str, **values: Any) -> R:  # noqa: ANN401 - columns of any type
    """Insert a row under a slug that nobody has.

    It looks first, so that a caller who repeats himself uses up no small number; of two at the
    same moment the second waits for the first to commit.

    Raises:
        AlreadyExists: the slug is taken.
    """
    made: R | None = None
    if await session.scalar(_living(table, slug)) is None:
        made = await session.scalar(
            insert(table).values(slug=slug, **values).on_conflict_do_nothing().returning(table)
        )
    if made is None:
        raise AlreadyExists(f"The slug {slug!r} is taken.")
    return made


async def find_row(session: AsyncSession, table: type[R], slug: str, *, lock: bool = False) -> R:
    """Find the living row under a slug, locked against other changes if asked.

    Raises:
        NotFound: there is none.
    """
    row = await session.scalar(
        _living(table, slug).with_for_update() if lock else _living(table, slug)
    )
    if row is None:
        noun = table.__tablename__
        raise NotFound(f"Nothing among the {noun} has the slug {slug!r}.")
    return row


async def list_rows(
    session: AsyncSession, table: type[R], *, limit: int, after: int
) -> Sequence[R]:
    """List rows in the order in which they were made, from the one after a number."""
    # A cursor may hold any bigint, and a smallint parameter would not take it.
    rows = await session.scalars(
        select(table).where(table.id > literal(after, BigInteger)).order_by(table.id).limit(limit)
    )
    return rows.all()


def rewrite(row: R, new: Mapping[str, Any], *, unsaid: Collection[str] = ()) -> dict[str, Any]:
    """Give columns their new values; tells the audit what changed, as ``{column: [old, new]}``.

    Columns in ``unsaid`` are told without their values.
    """
    changed: dict[str, Any] = {}
    for column, value in new.items():
        old = getattr(row, column)
        if old != value:
            changed[column] = None if column in unsaid else [_plain(old), _plain(value)]
            setattr(row, column, value)
    return changed


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _living(table: type[R], slug: str) -> Select[R]:
    query = select(table).where(table.slug == slug)
    if table is DatabaseRow:
        query = query.where(DatabaseRow.deleted_at.is_(None))
    return query
