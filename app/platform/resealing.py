"""Sealing anew what older keys sealed, and retiring a key once nothing is sealed under it.

On the ground because every room seals something, and none knows the columns of the others: each
lists its own as ``SEALED``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy import func as sql
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.vault import REGISTERING, KeyCheck, Vault, prefix_of

_AT_ONCE = 16
"""Values of one transaction; a chunk of a file has a mebibyte."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values; ``context`` tells from a row what its value is bound to.

    ``key`` names the columns of the primary key, ``bound_to`` what ``context`` needs besides.
    """

    table: str
    column: str
    key: tuple[str, ...]
    context: Callable[[Row[Any]], bytes]
    bound_to: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column as a person names it."""
        return f"{self.table}.{self.column}"


class StillNeeded(Exception):  # noqa: N818 - a state of the keys, told to the operator
    """A sealing key cannot be retired; the message says why, and what to do."""


async def reseal(session: AsyncSession, vault: Vault, column: Sealed) -> int:
    """Seal some values anew that are sealed under an older key; one transaction's worth.

    They are locked until the commit, so that whoever changes one meanwhile waits.

    Returns:
        How many there were; 0 when none is left.
    """
    rows = await session.execute(
        text(f"""
            SELECT {", ".join((*column.key, *column.bound_to))}, {column.column} AS sealed_value
            FROM {column.table}
            WHERE substring({column.column} FOR 2) <> :prefix
            ORDER BY {", ".join(column.key)} LIMIT :most FOR UPDATE
        """),  # noqa: S608 - of names that rooms list
        {"prefix": prefix_of(vault.ring.current), "most": _AT_ONCE},
    )
    found = rows.all()
    for row in found:
        context = column.context(row)
        anew = vault.seal(vault.unseal(row.sealed_value, context), context)
        await session.execute(
            text(f"""
                UPDATE {column.table} SET {column.column} = :anew
                WHERE {" AND ".join(f"{name} = :{name}" for name in column.key)}
            """),  # noqa: S608 - as above
            {"anew": anew} | {name: getattr(row, name) for name in column.key},
        )
    return len(found)


async def retire(
    session: AsyncSession, vault: Vault, number: int, columns: Iterable[Sealed], *, at: datetime
) -> None:
    """Retire a sealing key: from then on a process may lack it, and none may write with it.

    Every process must have another key first in its ring before this is asked. Its check value
    stays, so that no other key can ever stand under its number.

    Raises:
        StillNeeded: it writes, is unknown, or something is sealed under it.
    """
    await session.execute(select(sql.pg_advisory_xact_lock(REGISTERING)))
    if number == vault.ring.current:
        raise StillNeeded(f"Sealing key {number} is the one that writes: put another one first.")
    known = await session.get(KeyCheck, ("sealing", number))
    if known is None:
        raise StillNeeded(f"Nothing was ever sealed under a key {number} here.")
    # It reads every row of the columns, which may take its time.
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    for column in columns:
        left = await session.scalar(
            text(f"""
                SELECT count(*) FROM {column.table} WHERE substring({column.column} FOR 2) = :prefix
            """),  # noqa: S608 - as above
            {"prefix": prefix_of(number)},
        )
        if left:
            raise StillNeeded(
                f"{left} values of {column.name} are sealed under key {number}: a process writes "
                "with it still. Put another key first everywhere, and run optout rekey again."
            )
    known.retired_at = known.retired_at or at
    await session.flush()
