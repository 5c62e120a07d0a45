"""What one would write first to scrub a file; the floor of ``scrub-naive``.

A program: ``python -m tests.benchmarks.naive_scrub FILE URL``; it prints the seconds it took.
"""

import asyncio
import csv
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncpg
import phonenumbers

from app.identifiers import DigestKeys, Identifier
from app.journal import Kind
from app.settings import Settings

_AT_ONCE = 1_000
_MARKS = ", ".join(f"${number}" for number in range(1, _AT_ONCE + 1))
_QUERY = f"""
SELECT p.digest FROM contact_points p JOIN suppressions s ON s.point = p.id
WHERE s.media & 1 <> 0 AND p.digest IN ({_MARKS})
"""  # noqa: S608 - placeholders


async def main(campaign: Path, url: str) -> float:
    """Scrub a file into one beside it: the seconds that took."""
    settings = Settings()
    if settings.digest_keys is None:
        raise ValueError("OPTOUT_DIGEST_KEYS is needed")
    keys = DigestKeys.parse(settings.digest_keys.get_secret_value())
    connection = await asyncpg.connect(url)
    began = time.perf_counter()
    with campaign.open(newline="") as file, campaign.with_suffix(".out").open("w") as out:
        rows = csv.reader(file, delimiter=";")
        writer = csv.writer(out, delimiter=";")
        writer.writerow([*next(rows), "decision"])
        chunk: list[list[str]] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == _AT_ONCE:
                writer.writerows(await _decided(connection, keys, chunk))
                chunk = []
    seconds = time.perf_counter() - began
    await connection.close()
    return seconds


async def _decided(
    connection: Any,  # noqa: ANN401 - asyncpg's, whose stubs want a type of record
    keys: DigestKeys,
    chunk: list[list[str]],
) -> Iterable[list[str]]:
    digests = [keys.digest(_person(row[2]))[1] for row in chunk]
    blocked = {row["digest"] for row in await connection.fetch(_QUERY, *digests)}
    return (
        [*row, "block" if digest in blocked else "allow"]
        for row, digest in zip(chunk, digests, strict=True)
    )


def _person(number: str) -> Identifier:
    parsed = phonenumbers.parse(number, "FR")
    normal = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return Identifier(Kind.PHONE, normal)


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))}\n")
