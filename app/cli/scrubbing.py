"""``optout scrub``: a campaign's file back with an answer behind each row."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .jobs import SILENCE_SECONDS, await_job, fetch_file, send_file
from .outputs import STANDARD
from .remote import ApiKey, Url, remote
from .root import AsJson, Campaign, app, fail, print_json

_PATH = "/v1/scrubs"
_OTHERS = 2


@app.command("scrub")
def scrub_file(  # noqa: PLR0913 - each is an option
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="`-`: standard input.")
    ] = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="`-`: standard output.")],
    medium: Annotated[
        str | None, typer.Option(help="voice, sms, messaging, email or post.")
    ] = None,
    brand: Annotated[
        str | None, typer.Option(help="Left out: block if any brand is suppressed.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Country of phones in national form, as FR.", metavar="CC")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Name or number of the column. Left out: guessed.")
    ] = None,
    campaign: Campaign = None,
    allowed: Annotated[
        bool, typer.Option("--allowed", help="Give back only the rows that may be contacted.")
    ] = False,
    refresh: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Give what changed since a scrub, to pull from a dialler."),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="ID", help="Take up a scrub that was begun.")
    ] = None,
    url: Url = None,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Ask about every row of a file: CSV, one number a line, NDJSON or XLSX, packed or not.

    The rows come back in their order, dialect and encoding (a workbook as CSV), with decision, code
    and since behind them, as of one journal position. Ctrl-C leaves the scrub running. Nobody may
    be contacted unless the exit status is 0, and then only who is allowed.
    """
    if [file, refresh, job].count(None) != _OTHERS:
        raise typer.BadParameter("one of a file, --job ID and --refresh ID is needed")
    if file is not None and medium is None:
        raise typer.BadParameter("the medium is needed", param_hint="--medium")
    if output == STANDARD and as_json:
        raise typer.BadParameter("standard output is taken", param_hint="--json")
    query = {
        "medium": medium,
        "brand": brand,
        "region": region,
        "column": column,
        "campaign": campaign,
        "keep": "allowed" if allowed else None,
    }
    with remote(url, key, as_json=as_json, seconds=SILENCE_SECONDS) as registry:
        if file is not None:
            job = send_file(registry, _PATH, file, query)["id"]
        elif refresh is not None:
            job = registry.post(f"{_PATH}/{refresh}/refresh", {})["id"]
        typer.echo(f"Scrub {job}", err=True)
        again = f"optout scrub --job {job} -o {shlex.quote(str(output))}"
        ended = await_job(registry, f"{_PATH}/{job}", again=again)
        if ended["state"] == "done":
            fetch_file(registry, f"{_PATH}/{job}/result", output, again=again)
    _end(ended, as_json=as_json)


def _end(ended: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(ended)
    if ended["state"] != "done":
        fail(f"The scrub failed: {(ended['error'] or {}).get('detail') or ended['state']}")
    if not as_json:
        typer.echo(_in_words(ended), err=True)


def _in_words(job: dict[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in (job["counts"] or {}).items())
    return f"{job['done_rows']:,} rows as of journal position {job['position']}: {counts}"
