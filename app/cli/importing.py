"""``optout import``: a file of opt-outs recorded, whatever it looks like."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .jobs import SILENCE_SECONDS, await_job, fetch_file, send_file
from .outputs import STANDARD
from .remote import ApiKey, Url, remote
from .root import AsJson, app, fail, print_json

_PATH = "/v1/imports"


@app.command("import")
def import_file(  # noqa: PLR0913 - each is an option
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="`-`: standard input.")
    ] = None,
    *,
    channel: Annotated[str | None, typer.Option(help="Left out: the key's channel.")] = None,
    media: Annotated[
        list[str] | None,
        typer.Option(
            help="voice, sms, messaging, email or post; again for more. Left out: every medium."
        ),
    ] = None,
    brand: Annotated[str | None, typer.Option(help="Left out: every brand.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Left out: that of a known export, else objection.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Country of phones in national form, as FR.", metavar="CC")
    ] = None,
    occurred_at: Annotated[
        str | None,
        typer.Option(help="For rows without a date, as 2026-01-31T10:00:00+01:00. Left out: now."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="Name of a column, or its number, and what it holds: phone, email, siren, "
            "customer, occurred_at and so on. Again for more; left out: guessed.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would happen, and record nothing.")
    ] = False,
    refused: Annotated[
        Path | None,
        typer.Option(help="Write the rows that were refused here, as CSV, values masked."),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="ID", help="Take up an import that was begun.")
    ] = None,
    url: Url = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Record the opt-outs of a file: CSV, one number a line, NDJSON or XLSX, packed or not.

    Ctrl-C leaves the import running. The same file again changes nothing. Exit status 0 says that
    it ended, be it with refused rows.
    """
    if (file is None) == (job is None):
        raise typer.BadParameter("a file, or --job ID of an import that was begun")
    if refused == STANDARD and as_json:
        raise typer.BadParameter("standard output is taken", param_hint="--json")
    query = {
        "channel": channel,
        "media": "|".join(media) if media else None,
        "brand": brand,
        "reason": reason,
        "region": region,
        "occurred_at": occurred_at,
        "mapping": _mapping(columns),
        "dry_run": "true" if dry_run else None,
    }
    with remote(url, key, as_json=as_json, seconds=SILENCE_SECONDS) as registry:
        if file is not None:
            job = str(send_file(registry, _PATH, file, query)["id"])
            typer.echo(f"Import {job}", err=True)
        again = f"optout import --job {job}"
        if refused is not None:
            again += f" --refused {shlex.quote(str(refused))}"
        ended = await_job(registry, f"{_PATH}/{job}", again=again)
        if refused is not None:
            fetch_file(registry, f"{_PATH}/{job}/refused", refused, again=again)
    if as_json:
        print_json(ended)
    else:
        if ended["layout"]:
            typer.echo(_as_read(ended["layout"]), err=True)
        typer.echo(_in_words(ended), err=refused == STANDARD)
        if ended["counts"]["refused"] and refused is None:
            typer.echo(f"Which, and why:\n  {again} --refused FILE", err=True)
    if ended["state"] != "done":
        fail(f"The import failed: {ended['detail'] or ended['error']}")


def _mapping(columns: list[str] | None) -> str | None:
    if not columns:
        return None
    mapping: dict[str, str] = {}
    for column in columns:
        name, equals, field = column.rpartition("=")
        if not (name and equals and field):
            raise typer.BadParameter("COLUMN=FIELD is wanted", param_hint="--map")
        mapping[name] = field
    return json.dumps(mapping)


def _as_read(layout: dict[str, Any]) -> str:
    """Say which columns were read, for a column that was not is a loss that no count shows."""
    columns = ", ".join(f"{name} as {field}" for name, field in layout["columns"].items())
    columns = "".join(sign if sign.isprintable() else "·" for sign in columns)
    known = f", an export of {layout['known']}" if layout["known"] else ""
    return f"Read ({layout['format']}, {layout['encoding']}{known}): {columns}"


def _in_words(job: dict[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in job["counts"].items())
    dry = " (a dry run: nothing was recorded)" if job["dry_run"] else ""
    position = "" if job["position"] is None else f", journal position {job['position']}"
    return f"Import {job['id']} {job['state']}: {job['done_rows']:,} rows: {counts}{position}{dry}"
