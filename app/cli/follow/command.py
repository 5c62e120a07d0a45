"""The command ``optout follow``: what it is told, how long it goes on, how it ends."""

import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.cli.remote import ApiKey, Failed, Refused, Registry, Url, remote
from app.cli.root import AsJson, app, fail, print_json
from app.platform import logs
from app.platform.logs import get_logger
from app.settings import read_settings

from .csv_file import CsvFile
from .ending import Ending
from .engines import Postgresql, Sqlite, StoreFailed
from .follower import WAIT_SECONDS, Follower
from .store import Overtaken, Store
from .verifier import Verifier

Opener = Callable[[], Store]
_SILENCE_SECONDS = 60
_LONGEST_PAUSE = 60.0
_LONGEST_OBEYED = 3_600.0
"""Seconds after which it asks again whatever the registry said: a quota may have been raised."""

log = get_logger(__name__)


def _opener(to: str) -> Opener:
    """Read where the list is to be kept."""
    scheme, _, rest = to.partition(":")
    if scheme == "sqlite" and len(rest) > len("///") and rest.startswith("///"):
        return lambda: Store(Sqlite(Path(rest.removeprefix("///"))))
    if scheme in {"postgresql", "postgres"} and rest.startswith("//"):
        return lambda: Store(Postgresql(to))
    if scheme == "csv" and rest:
        return CsvFile(Path(rest)).open
    raise typer.BadParameter("sqlite:///PATH, postgresql://HOST/NAME or csv:PATH is needed")


@app.command()
def follow(
    *,
    to: Annotated[
        Opener,
        typer.Option(
            parser=_opener,
            metavar="URL",
            help="sqlite:///PATH, postgresql://USER@HOST/NAME (its password in PGPASSWORD: `ps` "
            "shows this), or csv:PATH.",
        ),
    ],
    once: Annotated[
        bool, typer.Option("--once", help="End when there is nothing more at the moment.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Compare the list with the registry, mend it, say what differed."
        ),
    ] = False,
    url: Url = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Keep a table or a file equal to what is suppressed, until ended by a signal.

    The key is one that is bound to a database which pulls. The table is `suppressions`, with the
    primary key (kind, value, brand); brand is empty where every brand is meant. Nobody may be
    contacted by a medium that stands in `media` (words joined by `|`). A row with empty media
    keeps a version and blocks nothing. The table `cursor` is empty until the first list is in; its
    `current_at` is when the list was last known to hold everything. Fail closed on both: contact
    nobody while there is no cursor, or an old one.

    A CSV file holds the columns of `optout snapshot`, and only what is suppressed. It is replaced
    as a whole, and beside it stands FILE.sqlite with the tables.

    `erased` says that the person asked to be forgotten: erase what else you hold about them, and
    keep this row, else you would contact them again. It stays when the registry itself has
    forgotten the value and no snapshot lists it any more.

    When the registry or the list cannot be reached it is tried again for ever; with --once or
    --verify it is an error. One process may follow into a list at a time.
    """
    logs.configure(read_settings())
    ending = Ending()
    with remote(url, key, as_json=as_json, seconds=_SILENCE_SECONDS) as registry:
        if not (once or verify):
            ending.listen()
            _go_on(registry, to, ending)
        try:
            with closing(to()) as store:
                follower = Follower(registry, store, ending)
                if verify:
                    said = asdict(Verifier(registry, store, follower).verify())
                else:
                    follower.catch_up()
                    said = asdict(follower.counts)
                said |= {"suppressed": store.count()}
        except (StoreFailed, Overtaken) as failed:
            fail(str(failed))
    if as_json:
        print_json(said)
    else:
        typer.echo(", ".join(f"{name}: {count:,}" for name, count in said.items()))


def _go_on(registry: Registry, to: Opener, ending: Ending) -> NoReturn:
    """Follow until the process is ended; what cannot be reached is tried again, spaced out.

    Raises:
        Refused: the registry refuses, and will again.
    """
    failures = 0
    while True:
        try:
            with closing(to()) as store:
                follower = Follower(registry, store, ending)
                while True:
                    follower.step(wait=WAIT_SECONDS)
                    failures = 0
        except (Failed, StoreFailed) as failed:
            if isinstance(failed, Refused) and failed.retry_after is None:
                raise
            failures += 1
            pause = random.uniform(0.5, 1) * min(_LONGEST_PAUSE, 2**failures)  # noqa: S311 - spread
            if isinstance(failed, Failed):
                pause = max(pause, min(failed.retry_after or 0, _LONGEST_OBEYED))
            log.warning("tried again later", reason=str(failed), seconds=round(pause, 1))
            with ending.waiting():
                time.sleep(pause)
