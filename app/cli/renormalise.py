"""``optout renormalise``: going over to the phone tables of this release."""

import asyncio

import typer
from rich.console import Console
from rich.progress import Progress

from app.intake import Renormalised
from app.intake import renormalise as bring_over
from app.points import open_registry
from app.settings import Settings

from .registry import reached
from .root import app


@app.command()
def renormalise() -> None:
    """Bring every phone number to the normal form that this release gives it.

    Needed after a release with a newer libphonenumber; `optout serve` does it by itself. Processes
    of the older release serve until everything is looked through, and answer 503 from then on.
    Safe to run again. The old forms stay suppressed for as long as the new ones are.
    """
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)

    async def bring(settings: Settings) -> Renormalised:
        task = bar.add_task("contact points", total=None)
        async with open_registry(settings, any_phone_tables=True) as (database, keys):
            return await bring_over(
                database,
                keys,
                on_progress=lambda done, of: bar.update(task, completed=done, total=of),
            )

    with reached() as settings, bar:
        done = asyncio.run(bring(settings))
    typer.echo(f"{done.merged} phone numbers were merged into their new normal form.", err=True)
    if done.unreadable:
        typer.echo(
            f"{done.unreadable} were erased and cannot be read again; they are recognised in the "
            "form that they had.",
            err=True,
        )
