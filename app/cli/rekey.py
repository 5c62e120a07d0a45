"""``optout rekey``: the second step of a rotation of keys, and the end of an old sealing key."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from app import accounts, contacts, delivery, files, intake, parties, points
from app.platform import mails
from app.platform.clock import now
from app.platform.db import Database
from app.platform.resealing import Sealed, StillNeeded, reseal, retire
from app.platform.vault import Vault, prefix_of
from app.points import PointKeys, open_registry, rekey_points
from app.settings import Settings

from .registry import reached
from .root import app

_OTHERS: tuple[Sealed, ...] = (
    *delivery.SEALED,
    *parties.SEALED,
    *intake.SEALED,
    *contacts.SEALED,
    *files.SEALED,
    *accounts.SEALED,
    *mails.SEALED,
)
EVERYTHING: tuple[Sealed, ...] = (*points.SEALED, *_OTHERS)
"""Every sealed column of every room."""


@app.command()
def rekey(
    *,
    retire: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Then end sealing key N: it may leave the setting everywhere."
        ),
    ] = None,
) -> None:
    """Bring all contact points and secrets under the first keys of the rings.

    Safe to run again, and beside a registry that serves, once every process has the new keys: one
    that lacks them answers no check. An old digest key stays needed: those who were erased are
    recognised by it alone. An old sealing key ends with `--retire`, once every process has another
    one first.
    """
    with reached() as settings:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            people, secrets = asyncio.run(_bring(settings, progress, retire))
    typer.echo(f"Every contact point up to number {people} stands under the first keys.", err=True)
    typer.echo(f"{secrets} other values were sealed anew.", err=True)
    if retire is not None:
        typer.echo(
            f"Sealing key {retire} is retired: take it out of OPTOUT_SEALING_KEYS.", err=True
        )


async def _bring(settings: Settings, progress: Progress, number: int | None) -> tuple[int, int]:
    async with open_registry(settings) as (registry, keys):
        people = await _rekey_people(registry, keys, progress)
        secrets = 0
        for column in _OTHERS:
            secrets += await _reseal_all(registry, keys.vault, column)
        if number is not None:
            await _retire(registry, keys.vault, number, settings.files_dir)
    return people, secrets


async def _rekey_people(registry: Database, keys: PointKeys, progress: Progress) -> int:
    task = progress.add_task("contact points", total=None)
    after: int | None = 0
    last = 0
    while after is not None:
        last = after
        async with registry.transaction() as session:
            after = await rekey_points(session, keys, after=last)
        progress.update(task, completed=last)
    return last


async def _reseal_all(registry: Database, vault: Vault, column: Sealed) -> int:
    done = 0
    while True:
        async with registry.transaction() as session:
            some = await reseal(session, vault, column)
        if not some:
            return done
        done += some


async def _retire(registry: Database, vault: Vault, number: int, folder: Path | None) -> None:
    left = 0 if folder is None else files.sealed_in(folder, prefix_of(number))
    if left:
        raise StillNeeded(
            f"{left} pieces of files in {folder} are sealed under key {number}. They are deleted "
            "within a day; retire the key then."
        )
    async with registry.transaction() as session:
        await retire(session, vault, number, EVERYTHING, at=now())
