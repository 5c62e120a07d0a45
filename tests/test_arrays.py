"""Rows sent as arrays: what all of them share is sent once, and comes to every one."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.platform.arrays import alike, unnested
from app.platform.db import Database

AT = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
_GIVEN = unnested({"point": "int8", "since": "timestamptz"}, {"brand": "int2"}, of="of_")
_ROWS = text(f"SELECT * FROM {_GIVEN} AS g ORDER BY n")  # noqa: S608 - the code's own names


@pytest.mark.parametrize(
    ("values", "sent"),
    [([], []), ([7], [7]), ([7, 7, 7], [7]), ([7, 7, 8], [7, 7, 8]), ([8, 7, 7], [8, 7, 7])],
)
def test_a_column_is_sent_once_only_where_every_row_says_the_same(
    values: list[int], sent: list[int]
) -> None:
    """One row that differs, wherever it stands, and all are sent."""
    assert list(alike(values)) == sent


@pytest.mark.parametrize("brands", [[7, 7, 7], [7, 7, 8], [0, 0, 0]])
async def test_every_row_gets_its_own_values(database: Database, brands: list[int]) -> None:
    """A time that a row lacks stays lacking: it is not taken for one that was not sent."""
    sinces = [AT, None, AT]
    async with database.reading() as session:
        rows = await session.execute(
            _ROWS, {"of_point": [3, 1, 2], "of_since": sinces, "of_brand": alike(brands)}
        )
    assert [(row.point, row.since, row.brand) for row in rows] == list(
        zip([3, 1, 2], sinces, brands, strict=True)
    )
