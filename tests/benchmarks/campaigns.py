"""Campaigns to scrub: files of people, a quarter of whom objected, shuffled."""

import random
from collections.abc import Iterator
from pathlib import Path

from app.identifiers import DigestKeys, normalise_many
from app.journal import Kind

from .people import STRANGERS, written

ROWS = 1_000_000


def indexes(people: int, rows: int) -> Iterator[int]:
    """Choose whom a campaign is about, of a registry of so many people."""
    chosen = random.Random(rows)  # noqa: S311 - no secret
    for row in range(rows):
        objected = chosen.randrange(1 + STRANGERS) == 0
        yield chosen.randrange(people) if objected else people + row


def write_campaign(path: Path, people: int, rows: int) -> None:
    """Write a campaign as a call centre has it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id;name;phone;city\r\n")
        for row, index in enumerate(indexes(people, rows)):
            file.write(f"{row};Camille Exemple;{written(index)};75011 Paris\r\n")


def write_digests(path: Path, keys: DigestKeys, people: int, rows: int) -> None:
    """Write the digests of the same people as ``COPY`` reads them."""
    numbers = [written(index) for index in indexes(people, rows)]
    normals = normalise_many(Kind.PHONE, numbers, region="FR")
    with path.open("w", encoding="ascii") as file:
        for row, digest in enumerate(keys.digest_many(Kind.PHONE, normals)[0]):
            file.write(f"{row}\t\\\\x{(digest or b'').hex()}\n")
