"""``optout worker``: the worker alone, beside a ``serve`` on another machine or on this one."""

import os
from contextlib import nullcontext

from app import worker as process
from app.platform import logs

from .metrics import metrics_served
from .processes import jobs_beside
from .registry import export, reached
from .root import app


@app.command()
def worker() -> None:
    """Tell the databases, do the jobs and whatever else is due; any number of these may run."""
    with reached() as settings:
        export(settings)
        logs.configure(settings)
        # Started by ``serve``, which serves the metrics of all its processes.
        counted = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        with nullcontext() if counted else metrics_served(settings), jobs_beside():
            process.main()
