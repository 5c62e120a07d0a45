"""Rows sent to PostgreSQL as arrays, one for each column, and unnested there.

Of a file most columns say the same in every row. Such a column is sent once: to write the arrays
is most of what a statement of five hundred rows costs this process.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def alike(values: Sequence[T]) -> Sequence[T]:
    """Shorten a column to its first value where every row has it; none of them may be None."""
    return values[:1] if values and values.count(values[0]) == len(values) else values


def unnested(each: Mapping[str, str], same: Mapping[str, str], *, of: str = "") -> str:
    """Write the rows of arrays as a subselect, with their number ``n`` from 1.

    ``each`` are the types of columns with a value for every row, by the name of the column; the
    array is the parameter of that name behind ``of``. ``same`` are those that ``alike`` may have
    shortened: PostgreSQL fills what an array lacks with nulls, which get the first value here.
    """
    names = ", ".join((*each, *same))
    arrays = {name: f"CAST(:{of}{name} AS {kind}[])" for name, kind in {**each, **same}.items()}
    filled = [f"coalesce({name}, ({arrays[name]})[1]) AS {name}" for name in same]
    return (
        f"(SELECT n, {', '.join((*each, *filled))}"  # noqa: S608 - the code's own names
        f" FROM unnest({', '.join(arrays.values())}) WITH ORDINALITY AS given ({names}, n))"
    )
