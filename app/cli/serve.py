"""``optout serve``: the whole registry by one command."""

import signal
import threading
from contextlib import ExitStack
from typing import Annotated

import typer

from app.platform.embedded import Embedded
from app.platform.supervision import end_with_supervisor
from app.settings import Settings, read_settings

from .figures import figures_shared
from .root import app


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Web processes.")] = 1,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Also tell the databases.")
    ] = True,
) -> None:
    """Serve the API and the pages, and tell the databases.

    Without OPTOUT_DATABASE_URL it runs a PostgreSQL of its own in OPTOUT_DATA_DIR.
    """
    told = _note_signals()
    end_with_supervisor()
    settings = _with_public_url(read_settings(), host, port)
    if settings.policy_pack is not None:
        # Said here where a person reads it; a process that is started could only log it.
        from app.checks import load_law  # noqa: PLC0415 - nobody else needs it here

        load_law(settings)
    with ExitStack() as stack:
        embedded = None
        if settings.database_url is None:
            # Before the metrics: what explains a refusal counts, in a folder that would be gone.
            embedded = stack.enter_context(_served(settings))
        stack.enter_context(figures_shared())
        from .processes import Web, run  # noqa: PLC0415 - it counts, see above

        run(settings, embedded, Web(host, port, workers), told, with_worker=worker)


def _note_signals() -> threading.Event:
    """Take SIGTERM and SIGINT as a wish to end, told by the event.

    Raising from the handler, as ``sys.exit`` does, was seen to be swallowed while the server
    starts, and after uvicorn's own shutdown it would skip ours.
    """
    told = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: told.set())
    return told


def _served(settings: Settings) -> Embedded:
    """Claim the data folder for this process."""
    embedded = Embedded(settings.data_dir)
    embedded.claim()
    return embedded


def _with_public_url(settings: Settings, host: str, port: int) -> Settings:
    if settings.public_url is not None:
        return settings
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is replaced
    name = f"[{reached}]" if ":" in reached else reached
    return settings.model_copy(update={"public_url": f"http://{name}:{port}"})
