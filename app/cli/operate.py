"""Commands for whoever runs a registry; they work on its database, not through its API."""

import asyncio
import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress
from uvicorn.importer import import_from_string

from app.intake import revoke_links
from app.journal import Verification, read_head, verify
from app.parties import CLI, SCOPES, Key, NewKey, create_key, find_key, list_keys, note, revoke_key
from app.platform.clock import now
from app.platform.schema import SCHEMA, upgrade
from app.settings import Settings, read_settings, shown_settings

from .registry import opened, reached
from .root import AsJson, app, fail, print_json, print_rows

keys = typer.Typer(help="Make, list and revoke the keys of the API.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@app.command()
def migrate(
    *,
    init: Annotated[
        bool, typer.Option("--init", help="Make the schema in an empty database.")
    ] = False,
) -> None:
    """Bring the database's schema to this release's."""
    url = read_settings().database_url
    if url is not None:
        upgrade(url.get_secret_value(), init=init)
    else:
        with reached():
            pass
    typer.echo(f"The schema serves this release, which needs number {SCHEMA}.", err=True)


@keys.command("create")
def create(
    *,
    name: Annotated[str, typer.Option(help="Who holds it, for the list and the audit.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; again for more.")],
    channel: Annotated[str | None, typer.Option(help="Bind it to a channel.")] = None,
    database: Annotated[str | None, typer.Option(help="Bind it to a database.")] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="End it by itself.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once, alone on the last line."""
    if unknown := set(scope) - set(SCOPES):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: scopes are {', '.join(SCOPES)}", param_hint="--scope"
        )
    if not name.strip():
        raise typer.BadParameter("it is blank", param_hint="--name")
    at = now()
    ends = None if expires_in_days is None else at + timedelta(days=expires_in_days)
    new = NewKey(name, scope, channel, database, ends)

    async def make(settings: Settings) -> tuple[Key, str]:
        async with opened(settings) as registry, registry.transaction() as session:
            issued = await create_key(session, new, actor=CLI, at=at)
        return issued.key, issued.text

    with reached() as settings:
        key, text = asyncio.run(make(settings))
    if as_json:
        print_json({**_shown(key), "key": text})
        return
    typer.echo(f"Key {key.id} ({key.name}), shown this once:", err=True)
    typer.echo(text)


@keys.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """List every key, revoked ones too, without its text."""

    async def read(settings: Settings) -> list[dict[str, Any]]:
        async with opened(settings) as registry, registry.reading() as session:
            return [_shown(key) for key in await list_keys(session)]

    with reached() as settings:
        rows = asyncio.run(read(settings))
    if as_json:
        print_json(rows)
        return
    columns = ("id", "name", "scopes", "bound to", "state", "last used")
    print_rows(columns, [_line(row) for row in rows])


@keys.command()
def revoke(id: Annotated[UUID, typer.Argument()]) -> None:  # noqa: A002 - the word shown
    """End a key for good; every process refuses it within a second."""

    async def end(settings: Settings) -> None:
        async with opened(settings) as registry, registry.transaction() as session:
            await revoke_key(session, await find_key(session, id), actor=CLI, at=now())

    with reached() as settings:
        asyncio.run(end(settings))
    typer.echo(f"Key {id} is revoked.", err=True)


@app.command("verify")
def verify_journal(*, as_json: AsJson = False) -> None:
    """Prove that the journal is whole: every position there, every entry as it was written."""

    async def prove(settings: Settings, progress: Progress) -> Verification:
        async with opened(settings) as registry, registry.reading() as session:
            task = progress.add_task("journal", total=(await read_head(session)).position)
            found = Verification(0, None, "whole")
            async for found in verify(session):
                progress.update(task, completed=found.entries)
            return found

    with reached() as settings, _progress() as progress:
        found = asyncio.run(prove(settings, progress))
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(f"{found.entries} entries: {found.detail}")
    if found.broken_at is not None:
        fail(f"The journal is broken at position {found.broken_at}.")


@app.command("settings")
def show_settings(*, as_json: AsJson = False) -> None:
    """Show every setting: its variable, its value here, its default, what it is."""
    rows = [asdict(one) for one in shown_settings(read_settings())]
    if as_json:
        print_json(rows)
    else:
        print_rows(("variable", "value", "default", "meaning"), [[*row.values()] for row in rows])


@app.command()
def openapi() -> None:
    """Print the reference of the API as OpenAPI 3.1."""
    # The command and the web process are strangers; like uvicorn, this one takes it by name.
    document = import_from_string("app.main:create_app")(read_settings()).openapi()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _progress() -> Progress:
    """Make a bar for a terminal, and nothing elsewhere: the answer says it all."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "channel": key.channel,
        "database": key.database,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _line(row: dict[str, Any]) -> list[str]:
    bound = [f"{kind} {row[kind]}" for kind in ("channel", "database") if row[kind]]
    return [
        str(row["id"]),
        row["name"],
        " ".join(row["scopes"]),
        ", ".join(bound),
        _state(row["revoked_at"], row["expires_at"]),
        "" if row["last_used_at"] is None else f"{row['last_used_at']:%Y-%m-%d %H:%M}",
    ]


def _state(revoked_at: datetime | None, expires_at: datetime | None) -> str:
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d}"
    if expires_at is None:
        return "live"
    return f"{'expired' if expires_at <= now() else 'until'} {expires_at:%Y-%m-%d}"


@app.command("revoke-links")
def revoke_every_link() -> None:
    """Let no preference link count any more that was issued until now."""

    async def revoke_all(settings: Settings) -> None:
        async with opened(settings) as registry, registry.transaction() as session:
            at = now()
            await revoke_links(session, before=at)
            await note(session, CLI, "links.revoked", "links", at)

    with reached() as settings:
        asyncio.run(revoke_all(settings))
    typer.echo("No preference link counts that was issued until now.", err=True)
