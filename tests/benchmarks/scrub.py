"""``scrub``, ``scrub-naive``: a campaign's file in, the answers out.

Ours is all of it: the upload, the wait for the job, the result to its last byte.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.points import PointKeys

from .campaigns import ROWS, write_campaign, write_digests
from .harness import Goal, Measure, Row, compare, row
from .programs import optout_serve, run_to_end
from .registries import Registries, Registry

_PAIRS = 5
Asked = Mapping[str, str]
"""What is said beside a file."""
_NAIVE_ROWS = 50_000
# What psql copies stands on one line.
_JOIN = """
CREATE TEMP TABLE asked (n int, digest bytea);
\\copy asked FROM '{digests}'
CREATE TEMP VIEW answers AS
SELECT a.n, s.brand, s.since FROM asked a
LEFT JOIN (contact_points p JOIN suppressions s ON s.point = p.id AND s.media & 1 <> 0)
     ON p.digest = a.digest;
\\copy (SELECT * FROM answers) TO '{answers}'
"""


def run(registries: Registries, size: int) -> Row:
    """Compare with ``COPY`` of ready digests and a hash join."""
    with registries.copied(size, "scrub") as registry, _scrubbed(registry, size) as (ours, folder):
        keys = PointKeys.from_settings(registry.settings).digests
        write_digests(folder / "digests", keys, size, ROWS)
        script = folder / "join.sql"
        join = _JOIN.format(digests=folder / "digests", answers=folder / "answers")
        script.write_text(join, encoding="utf-8")

        def joined() -> float:
            began = time.monotonic()
            psql = (str(registries.binaries / "psql"), "-qXv", "ON_ERROR_STOP=1")
            words = [*psql, "-f", str(script), registry.url]
            subprocess.run(words, check=True)  # noqa: S603 - PostgreSQL's own program
            return ROWS / (time.monotonic() - began)

        taken = compare(ours, joined, pairs=_PAIRS)
    return row("scrub", taken, unit="rows/s", goal=Goal(1.0))


def run_naive(registries: Registries, size: int) -> Row:
    """Compare with what one would write first: phonenumbers per row, a query per thousand."""
    with registries.copied(size, "scrub") as registry, _scrubbed(registry, size) as (ours, folder):
        campaign = folder / "few.csv"
        write_campaign(campaign, size, _NAIVE_ROWS)

        def naive() -> float:
            words = (str(campaign), registry.url)
            seconds = run_to_end("naive_scrub", *words, variables=registry.environment)
            return _NAIVE_ROWS / float(seconds)

        taken = compare(ours, naive, pairs=_PAIRS)
    return row("scrub-naive", taken, unit="rows/s", goal=Goal(5.0))


@contextmanager
def _scrubbed(
    registry: Registry, size: int, said: Asked | None = None
) -> Iterator[tuple[Measure, Path]]:
    """Give the measure of ours, which has scrubbed once, and a folder for what else is needed."""
    with (
        tempfile.TemporaryDirectory(prefix="optout-bench-") as name,
        optout_serve(registry) as program,
    ):
        folder = Path(name)
        campaign = folder / "campaign.csv"
        write_campaign(campaign, size, ROWS)
        headers = {"Authorization": f"Bearer {registry.make_key('admin')}"}

        def scrubbed() -> float:
            return _timed(program.url, headers, campaign, said or {})

        scrubbed()
        yield scrubbed, folder


def scrub_pairs(
    registry: Registry, size: int, ours: Asked, floor: Asked
) -> list[tuple[float, float]]:
    """Scrub one file in two ways, in turns."""
    with (
        _scrubbed(registry, size, ours) as (one, _),
        _scrubbed(registry, size, floor) as (other, _),
    ):
        return compare(one, other, pairs=_PAIRS)


def _timed(url: str, headers: Asked, campaign: Path, said: Asked) -> float:
    """Scrub a file to the last byte of its result: rows a second."""
    began = time.monotonic()
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        _scrub(client, campaign, said)
    return ROWS / (time.monotonic() - began)


def _scrub(client: httpx.Client, campaign: Path, said: Asked) -> None:
    with campaign.open("rb") as file:
        queued = client.post("/v1/scrubs", params={"medium": "voice", **said}, content=file)
    job = queued.raise_for_status().json()["id"]
    while (shown := client.get(f"/v1/scrubs/{job}").json())["state"] != "done":
        if shown["state"] == "failed":
            raise RuntimeError(shown["error"])
        time.sleep(0.05)
    with client.stream("GET", f"/v1/scrubs/{job}/result") as result:
        lines = sum(piece.count(b"\n") for piece in result.raise_for_status().iter_bytes())
    if lines != ROWS + 1 or shown["counts"]["unusable"]:
        raise RuntimeError(f"{lines} lines, {shown['counts']}")
