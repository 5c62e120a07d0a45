"""What is on record is read from index to index, however much there is of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app import contacts
from app.checks.line import Line
from app.identifiers import PHONE_TABLES
from app.platform.clock import now
from app.platform.db import Database
from app.points import PointKeys
from app.policy import Known
from tests.acts import phone
from tests.benchmarks.seeds import fill
from tests.book import Book

if TYPE_CHECKING:
    from app.platform.db import RawConnection

_GROWING = {
    "contact_points",
    "consents",
    "contracts",
    "contact_attempts",
    "contact_profiles",
    "contact_profile_versions",
    "withdrawals",
}
_SPAM = 50_000


@pytest.mark.parametrize("past", [False, True])
async def test_a_million_attempts_a_day_are_read_no_further_than_a_cap_counts(
    database: Database, *, past: bool
) -> None:
    keys = PointKeys.from_settings(database.settings)
    await fill(database, keys, 2_000)
    book = Book(database)
    await book.consent(phone(1))
    await book.contract(phone(1))
    await book.profile(phone(1), country="FR")
    async with database.transaction() as session:
        await session.execute(
            text("""
                INSERT INTO contact_attempts (point, medium, attempted_at, brand, outcome)
                SELECT c.point, 1, now() - n * interval '1 second', 1, 1
                FROM consents c, generate_series(1, :spam) n
            """),
            {"spam": _SPAM},
        )
    digests = list(keys.digests.digests(phone(1)))

    async def read(connection: "RawConnection") -> tuple[Mapping[bytes, Known], dict[str, int]]:
        async with connection.transaction():
            found = await contacts.find_known(connection, digests, at=now(), past=past)
            rows = await connection.fetch("""
                SELECT relname, seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows
                FROM pg_stat_xact_user_tables
            """)
        assert _GROWING.isdisjoint(row["relname"] for row in rows if row["seq_scan"])
        return found, {row["relname"]: row["rows"] for row in rows}

    line = Line(database, "plans", keys.digests.numbers, PHONE_TABLES)
    try:
        found, rows = await line.use(read)
    finally:
        line.close()
    (known,) = found.values()
    assert (len(known.consents), len(known.contracts), known.profile.country) == (1, 1, "FR")
    newest = [one.at for one in known.attempts]
    assert len(newest) == 200
    assert newest[0] - newest[-1] < timedelta(minutes=5)
    assert rows["contact_attempts"] <= 400
    # For another brand there may have been others before: they are not read, and count.
    assert {one.brand for one in known.attempts} == {None}
