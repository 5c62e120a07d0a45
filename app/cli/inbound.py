"""``optout inbound``: what providers brought, replayed; and a mail handed over."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Annotated

import typer

from app.intake import Outcome, Replaying, replay
from app.parties import CLI, Directory, note
from app.platform.clock import now
from app.points import open_registry
from app.settings import Settings

from .letters import PIPE, hand_over
from .registry import reached
from .root import AsJson, app, print_json

inbound = typer.Typer(help="Work on what providers brought.", no_args_is_help=True)
app.add_typer(inbound, name="inbound")


@inbound.callback()
def of_inbound() -> None:
    """Work on what providers brought."""


inbound.command("mail", epilog=PIPE)(hand_over)


@inbound.command("replay")
def replay_events(
    *,
    channel: Annotated[str | None, typer.Option(help="Of this channel alone.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Of so many days until now.")] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Those that were recorded too, as new opt-outs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the events that providers brought again, as their channels are set now.

    What was refused and can be recorded now is; nothing is taken back but by the person's own
    act. Safe to run again.
    """
    at = now()
    since = None if days is None else at - timedelta(days=days)
    wanted = Replaying(channel, since, recorded)

    async def again(settings: Settings) -> Counter[Outcome]:
        async with open_registry(settings) as (registry, keys):
            counts = await replay(registry, keys, Directory(registry), wanted)
            async with registry.transaction() as session:
                subject = "inbound" if channel is None else f"channel:{channel}"
                said = {outcome.word: count for outcome, count in counts.items()}
                await note(session, CLI, "inbound.replayed", subject, at, **said)
        return counts

    with reached() as settings:
        counts = asyncio.run(again(settings))
    if as_json:
        print_json({outcome.word: counts[outcome] for outcome in Outcome if counts[outcome]})
        return
    for outcome in Outcome:
        if counts[outcome]:
            typer.echo(f"{counts[outcome]} {outcome.word}")
    typer.echo(f"{counts.total()} events were replayed.", err=True)
